"""Words, letters and word forms that tell the five languages apart (languages.md §6).

Common words from grammars and those of the packs, for native review but for English. ``LOANS`` occur in
several and say nothing. Compared as ``normalise.words`` gives them for no language in particular.
"""

from __future__ import annotations

import re

WORDS: dict[str, frozenset[str]] = {
    code: frozenset(listed.split())
    for code, listed in {
        "am": """
            ነው ናት ናቸው ነኝ ነህ ነሽ ነን ናችሁ ነዎት ነበር ነበሩ ነበረ አለ አለኝ አሉ አላት አለው የለም የለኝም ይሁን ይሆናል ሆነ ሆኖ አዎ
            አዎን አይ አይደለም አልችልም እሺ ቆይ አቁም በቃ ሰላም ሰላምታ ጤና እንደምን እንዴት ምን ምንድን ምንድነው ማን ማነው የት መቼ ስንት
            ለምን የትኛው እኔ አንተ አንቺ እርስዎ እሱ እሷ እኛ እናንተ እነሱ እነርሱ የእኔ የኔ ይህ ይሄ ያ ያንን ይህን እዚህ እዚያ ላይ ውስጥ
            ጋር ጋ ስለ ወደ እስከ እንደ ከዚያ እና ግን ወይም ወይስ ስለዚህ ምክንያቱም ብቻ ደግሞ በጣም ትንሽ ብዙ ሁሉ ሌላ ምንም አሁን ዛሬ ነገ
            ትናንት ጠዋት ማታ ሌሊት ቀን ሳምንት ወር ዓመት ሰዓት ሰኞ ማክሰኞ ረቡዕ ሐሙስ ዓርብ ቅዳሜ እሑድ እሁድ አንድ ሁለት ሦስት ሶስት አራት
            አምስት ስድስት ሰባት ስምንት ዘጠኝ አሥር አስር ሃያ መቶ ብር እባክዎ እባክህ እባክሽ እባክዎን አመሰግናለሁ እናመሰግናለን ይቅርታ
            እፈልጋለሁ እችላለሁ ይቻላል እንኳን ደህና ጥሩ ገባኝ መልካም ቀጠሮ ሐኪም ዶክተር ስሜ ስም ስልክ ቁጥር ልጅ ልጄ ሰው ሴት ወንድ እናት
            አባት እህት ወንድም ቤት መንገድ ውሃ ምግብ ዳቦ ገንዘብ ዋጋ ሥራ ስራ ትምህርት መድኃኒት መድሃኒት እርዳታ ይደውሉ ልክ እርግጥ ምናልባት
            ሁኑ ይሁኑ ይቆዩ ይሰርዙ እንደገና ትክክል ይቅር ቀኑን ሰዓቱን ቻው ቀጠሮዎ ሁለቱም ሃምሳ ሄዶ ሄጄ ሆነው ሆና ሆኜ ለምሳሌ
            ለየትኛው ሐምሌ መታወቂያ መታወቂያዬ መያዝ መጥቼ ሚሊዮን ማለት ማየት ምሽት ሠላሳ ሰርዢ ሰባ ሰኔ ስልሳ ስልኬ ስምዎ ሺህ ቀኑ ቁጥሩ
            ቁጥሬ ቆም ቆዩ ቆዪ በስንት በትክክል በኋላ በእርግጥ በየትኛው በይ በጠዋት ብለህ ብለን ብለው ብላ ብሎ ብዬ ተኩል ተዉ ተው ተዪ
            ተፈጥሯል ታኅሣሥ ችግር ኅዳር ነሐሴ ነበረች ነበረኝ ነበርኩ ነገር ንገረኝ ንገሪኝ አሃ አለህ አለሽ አለች አለን አላውቅም አልሽ አልክ
            አልገባኝም አሥራ አርባ አቁሙ አቁሚ አቋርጡ አቋርጥ አቋርጪ አንዴ አይደለሁም አደሩ አድርጌ አድርጎ እህም እም እንዲሁም እንዴ ከሆነ
            ከሌሊቱ ከምሽቱ ከሩብ ከሰዓት ከቀኑ ከዚያም ከዛ ከየት ከጠዋቱ ኮዱ ወደየት ዘጠና ዝም የማነው የስልክ የትኛዋ የትኛውን የካቲት ያቁሙ
            ይሞክሩ ይበሉ ይበቃል ይተዉ ይንገሩኝ ይዞ ይዤ ይድገሙ ይድገሙት ይጠብቁ ደውዬ ድገሚ ጠብቁ ጠብቂ ጠብቅ ጥር ጥቅምት ጧት ፈልጌ
        """,
        "ti": """
            እዩ እያ እየ ኢኻ ኢኺ ኢና ኢኹም እዮም ኣሎ ኣላ ኣለኹ ኣለኻ ኣለኺ ኣለና ኣለዉ ኣለኒ ኣለዎ ዘሎ ዘላ የለን የላን ነይሩ ነበረ ይኹን
            እወ ኣይፋል ኣይፋልን ኣይኮነን ሕራይ ጽናሕ ጽንሑ ይኣክል ሰላም ከመይ እንታይ መን ኣበይ ናበይ መዓስ ክንደይ ስለምንታይ ንምንታይ
            ኣየናይ ኣየነይቲ ኣነ ንስኻ ንስኺ ንስኹም ንሱ ንሳ ንሕና ንሶም ናተይ እዚ እዚኣ እቲ እታ እቶም ነቲ ነታ በቲ ኣብቲ ኣብታ እዞም ኣብዚ
            ኣብኡ ኣብ ናብ ካብ ናይ ምስ ብዛዕባ ክሳብ ድሕሪ ቅድሚ ከም ግን ወይ ድማ ኸኣ እውን ስለ ጥራይ ኣዝዩ ብጣዕሚ ቁሩብ ብዙሕ ኩሉ ካልእ
            ሕጂ ሎሚ ጽባሕ ትማሊ ንግሆ ምሸት ለይቲ መዓልቲ ሰሙን ወርሒ ዓመት ሰዓት ሰኑይ ሰሉስ ረቡዕ ሓሙስ ዓርቢ ቀዳም ሰንበት ሓደ ክልተ
            ሰለስተ ኣርባዕተ ሓሙሽተ ሽዱሽተ ሸውዓተ ሸሞንተ ትሽዓተ ዓሰርተ ዕስራ ሚእቲ ቅርሺ ናቕፋ በጃኹም በጃኻ በጃኺ የቐንየለይ የቐንየልና
            ይቕሬታ የድልየኒ እደሊ ይከኣል ይኽእል ጽቡቕ ደሓን ተረዲኡኒ ልክዕ ቆጸራ ሓኪም ዶክተር ስመይ ሽመይ ስም ስምካ ስልኪ ተሌፎን ቁጽሪ
            ቆልዓ ወዲ ጓል ሰብ ሰበይቲ ሰብኣይ ኣደ ኣቦ ሓፍተይ ሓወይ ገዛ መንገዲ ማይ መግቢ እንጌራ ባኒ ገንዘብ ዋጋ ስራሕ ትምህርቲ መድሃኒት
            ሓገዝ ብርግጽ ዶ ደው ጠጠው በል በሊ በሉ ክሕግዘኩም ኢልኩም ኢልካ ቀሪብኩም ሃበኒ ሃቡኒ ሃብኒ ለካቲት ሓምለ ሓምሳ ሓምሳን ሓቂ ሓዲርካ
            ሓግዘኒ ሓግዙኒ ሓግዝኒ ሕዳር መንነት ሚልዮን ሚእትን ምኽንያቱ ሰላሳ ሰላሳን ሰማንያን ሰብዓ ሰብዓን ሰነ ስለዚ ስልከይ ስሳ ስሳን ስቕ
            ስድሳን ሽሕ ሽሕን ቁጽረይ ቐትሪ ተሌፎነይ ተስዓ ተስዓን ተጸበ ተጸበዩ ተጸበዪ ታሕሳስ ትኽእሉ ትኽእል ነሓሰ ነይረ ነይራ ኔሩ ንኣብነት
            ንደሊ ንገረኒ ንገሩኒ ንገርኒ ኢለ ኢሉ ኢላ ኢየ ኢዩ ኣሃ ኣለኹም ኣርብዓ ኣርብዓን ኣቋርጹ ኣቋርጺ ኣቋርጽ ኣብሉ ኣብሊ ኣብል
            ኣይተረድኣንን ኣጋጢሙ እህህ እንተ እየን እደልይ ከምኡ'ውን ከምኡውን ከኣ ኩኑ ኩን ካበይ ክልቲኡ ክብል ኮድ ዋላ ዕለት ዕስራን የለኹን
            የብለይን ድሕሪኡ ድገሙለይ ድገሞ ግና ግደፉ ግደፊ ግደፍ ጥሪ ጥቅምቲ ጸገም ጽንሒ ፈረቓ ፈትኑ
        """,
        "so": """
            waa waan waad wuu way waxaan waxaad wuxuu waxay waxa waxaa baan baad buu bay ayaa
            ayaan ayaad ayuu ayay ma maxaa maxaan maxaad maxay maxuu miyaa iyo oo ee ah ku ka ugu
            kale kuwa u si uga inaan inaad inuu inay in haddii laakiin sababtoo markaas marka mar
            haa maya haye sug jooji joogso kaadi salaan salaamu nabad sidee tahay yahay tihiin
            yihiin ahay ahayn iska warran mahadsanid mahadsan fadlan raalli maanta berri shalay
            caawa xalay saaka subax subaxnimo galab habeen hadda goorma xaggee xagee halkee halkan
            imisa immisa intee kee tee kuma yaa ayo aniga adiga isaga iyada annaga idinka iyaga
            kan tan kaas taas kani tani wax qof aad wanaagsan fiican hagaag sax rabaa doonayaa
            jirtaa jiraa jiro leeyahay haysaa karaa karo kartaa joogaa dhakhtar ballan ballanta
            magacaygu magacaagu magac taleefan lambar guri hooyo aabbe walaal ilmo caruur carruur
            lacag biyo cunto shaqo dugsi daawo isniin talaado arbaco khamiis jimce jimco sabti
            axad hal kow laba saddex afar shan lix toddoba siddeed sagaal toban labaatan boqol kun
            dabcan dhib nabadgelyo kowda labada saddexda afarta shanta lixda toddobada siddeedda
            sagaalka tobanka maalinta maalin saacadda saacad galabnimo habeennimo caawimaad mudan
            adaa baaji aamus aamusa aan aanu abriil afartan agoosto ama aqaan aqoonsigaygu ay baa
            baahanahay bar barka barri caawi caawin calaykum celi daa dabadeed dhacay dhihi dibna
            diseembar eber fahmay fahmin febraayo filan galabta galabtii garanayo gelyo haaye
            habeenkii hadii haloow igu ii ilaa imanayaa inaanu isku istaag janaayo jirto joogsada
            joogtaa joojiya juun kaadiya kadibna khalad konton koodhku la laakin labadaba lakiin
            lambarkayga lambarkaygu lambarku lixdan luulyo maaha maajo maalintee maarso magacayga
            mahadsanahay mahadsantahay markii midna milyan mise miyaad nambarkayga nambarkaygu
            nofembar noqo oktoobar qabsado rabay rabo rabtaa rubac runtaa saac saacaddee sababta
            sagaashan salaam sebtembar sheeg sida siddeetan soddon soo subaxa subaxdii suga
            taleefankayga taleefankaygu telefoonkaygu tiri toddobaatan tusaale uu waaye waayo wac
            wacalaykum weeye xanuunsanahay xumahay yar yeelay yeer
        """,
        "om": """
            fi kan akka irra itti hin jira jirta jirra jiru keessa keessatti kun kana kanaan sun
            ani ati inni isheen nuti isin isaan koo kee keenya keessan isaa ishee isaanii dha miti
            maal maali maaliif eessa eessatti eenyu yoom meeqa akkam attam eeyyee eeyyen lakki
            lakkii tole dhaabi dhaabaa eegi eegaa turi nagaa nagaatti galatoomi galatoomaa maaloo
            dhiifama har'a har'aa har'i bor boru kaleessa amma ammas ganama galgala halkan guyyaa
            guyyaan torban ji'a waggaa sa'aatii sa'aatiin booda dura duraan yoo garuu yookiin
            yookan waan ta'e ta'a ta'uu wajjin gara irraa hanga waa'ee baay'ee baayyee xiqqoo
            hunda biraa nan na naaf nuuf siif isiniif barbaada barbaadu barbaaddu barbaanna
            danda'a danda'aa danda'u jedha jedhe qaba qabu qabna qabdu beellama beellamaan doktora
            doktara hakiima maqaa maqaan maqaankoo bilbila bilbilaan bilbili lakkoofsa mana manni
            haadha abbaa obboleessa obboleettii ijoollee nama namni namoota qarshii bishaan nyaata
            hojii barumsa qoricha gargaarsa wixata kibxata roobii kamisa jimaata sanbata dilbata
            tokko lama sadii afur shan ja'a jaha torba saddeet sagal kudhan digdama dhibba kuma
            sirrii sirriidha dhugaa dhuguma gaarii gaariidha ishii hayyee galanni fayyaa ooltan
            bultan bulte oolte bultanii ana kanaaf sana ture jirti jirtu jirtaa wiixata homaa
            selaam adoolessa afurtama afurtamii akkamitti amajjii argadha beeka beeku bilbilaa
            bilbilli bira bitooteessa caamsaa cal'isaa cal'isi danda'ama dandeessa dandeessu
            deebi'aa deebi'i deebi'ii deema dhaabbadhaa dhaabbadhu dhiisaa dhiisi dhufa dhukkuba
            dhukkubsadheera digdamii dubbadha edana eebla eenyummaa eessaa eeyee eeyyeen erga
            ergasii eyyee fakkeenyaaf fedha fulbaana ga'a gaha galle gargaaraa gargaari
            guraandhala hagayya haloo hamma himaa himi hubanne irratti isa jaatama jaatamii jechuu
            jette kam kami kanaafuu kennaa kenni koodiin kudha lakkoofsi lamaanuu maalii mee
            miliyoona moo muddee natti ni onkololeessa osoo otoo qaammee rakkoon sa'a sababa
            sababii sababiin sababni sadaasa saddeettama saddeettamii sagaltama sagaltamii
            shantama shantamii soddoma soddomii torbaatama torbaatamii turaa turte uumameera
            waaree walakkaa waliin waraqaan waxabajjii yaali ykn yookaan yookin zeeroo
        """,
        "en": """
            the is are was were be been am an my your his her our their its you he she it we they
            me him us them this that these those what who when where why how which do does did
            don't doesn't didn't can can't could would will won't should may might must have has
            had not yes no please thank thanks sorry hello good morning evening afternoon night
            goodbye wait want need like to of in at on for with from about and or but if so
            because there here now then today tomorrow yesterday day week month year time clock
            appointment doctor name number phone call again very much more some any all nothing
            something people child house water money work school one two three four five six seven
            eight nine ten hundred monday tuesday wednesday thursday friday saturday sunday say
            tell help know think come go get make see i i'm i'd i'll i've it's that's let's what's
            fine great right sure maybe course really okay o'clock cancel cancelled cancelling
            correct repeat never mind pardon moment yeah nope uh-huh book booked hold account
            against ahead alright although anymore anytime april aren't around as ask august back
            being between by check code december depends during eighteen eighty eleven enough
            exactly except february feel feeling fever fifteen fifty first forty fourteen give
            going gonna got guess hang haven't he's headache hey hope how's hush id instead into
            isn't january july june just last let log looking lot many march million minute near
            next nineteen ninety none november oclock october off oh only onto other pause perfect
            perhaps pin pm problem question quiet reach said second september seventeen seventy
            shall she's shut sign sixteen sixty soon still talking telephone than there's they're
            thing thirteen thirty thousand through tonight too towards try turn twelve twenty
            understand unless until up wanna wanted we'd we'll we're well went where's whether
            while who's whose without wonder wrong yep yet you're yup zero
        """,
    }.items()
}

# They occur in all of them.
LOANS = frozenset(("ok", "okay", "stop", "hello", "hi", "bye", "no", "mm", "hmm", "ሰላም"))

# Hardly ever in the others of the same script.
MARKS: dict[str, re.Pattern[str]] = {
    "ti": re.compile("\\bኣ|[\u1250-\u1257\u12b8-\u12bf]"),
    "am": re.compile("(?:ዋል|ታል|ኛል|ናል|ሻል|ለሁ)\\b|\\bአ"),
    "om": re.compile(r"[a-z]'[aeiou]|\Bny\B|(?:tti|ttu|eera)\b"),
    "so": re.compile(r"\b[xc](?:aa|a|u|i|o|e)|(?:[^aeiou]x|dh|kaygu|taydu|kaaga|kiisa|ayaan|aysaa|aynaa)\b"),
    "en": re.compile(r"th[eaio]|wh|ght|(?:ck|ing|tion|ould)\b|'(?:s|t|m|re|ll|d|ve)\b|o'clock"),
}
# They also occur elsewhere.
LETTERS: dict[str, re.Pattern[str]] = {
    "ti": re.compile("[\u1213]|\\b(?:ዝ|ክ|ን|እንተ)\\w{3,}|(?:ኹም|ኩም|ይ|ቲ|ዮ)\\b"),
    "am": re.compile("(?:ል|ችሁ|ዎ|ዬ|ው|ኝ|ም)\\b|\\b(?:የ|እን|ስለ|እየ)|[ኘኙኚኛኜኝኞዠዡዢዣዤዥዦ]"),
    "om": re.compile(r"ph|[^aeiou]q|dh[ua]\b|(?:rra|uu|aa|ee|ii|oo|aaf|iif|niif)\b"),
    "so": re.compile(r"kh|(?:ay|ayo|kii|tii|gii|dii|yaa|aal|sho|nimo|ka|ta|da)\b|[aeiou]x[aeiou]"),
    "en": re.compile(r"sh\b|(?:ed|er|ly|ble|es|st|nd|ll|ss)\b"),
}
