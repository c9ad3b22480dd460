"""`python -m selam_agent`: the same program as `selam-agent`."""

from selam_agent.cli import main

if __name__ == "__main__":
    main()
