"""Pure text: language packs, identification, clocks, numbers and what makes text speakable."""
