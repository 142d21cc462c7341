"""English."""

from __future__ import annotations

from typing import Final

from pytest_streamval.engine.prose.languages.base import Abbreviation, Group, Language

_CMOS: Final = "Chicago Manual of Style, 17th ed., chapter 10"

ENGLISH: Final = Language(
    code="en",
    name="English",
    groups=(
        Group(
            "titles and ranks",
            Abbreviation.TITLE,
            f"{_CMOS}, 10.11-10.26 (civil, military, academic, religious titles); CLDR 46 suppressions; golden rule 18",
            """
            mr mrs ms mx messrs mmes mlle mme dr drs prof profs rev fr hon sen sens rep reps gov govs pres supt gen lt
            col ltc lcdr cmdr cdr comdr capt maj sgt cpl pvt pfc adm brig ens insp det cpt ltcol atty asst sr sra srta
            herr frau st ste mt mts ft dir chmn amb treas bp abp msgr sec'y secy hr mgr lieut comdt cmdt vadm radm cmsgt
            msgt ssgt tsgt sfc spc pte sqn flt rt cllr ald ofc ofcr ven engr arch gens capts lts sgts dep mdm mlles sres
            attys surg archbp bps lt.col maj.gen lt.gen lt.cmdr brig.gen rear.adm asst.prof assoc.prof snr.insp
            dipl.-ing sgt.maj chas jos thos edw benj brig-gen col.-gen congr esqr invt lcpl lt-col lt-gen maj-gen mons
            srgt supts vice-pres
            """,
        ),
        Group(
            "ahead of a number or a label",
            Abbreviation.NUMBER,
            f"{_CMOS}, 10.42-10.43 (scholarly abbreviations); golden rules 5 and 43",
            """
            p pp pg pgs no nos nr n° nº № vol vols ch chap chaps fig figs eq eqs eqn sec sect par para paras art arts pt
            pl plt ex exs app tab ill vv cols rs fn n nn bk bks ser tit cl reg prop thm def lem cor ver rm apt bldg fl
            ext tel subsec subsecs ssec sched tbl exh rte bldgs flr qns ques vss thms eqns appx ff r.s.c
            """,
        ),
        Group(
            "Latin and connecting",
            Abbreviation.NEVER,
            f"{_CMOS}, 10.42; golden rules 11 and 50",
            """
            e.g eg i.e ie f.e f.i viz vs v.s v cf cp ca c approx resp incl excl esp a.k.a aka w.r.t wrt s.t qv q.v op
            loc sc scil i.q n.b nb p.s attn f.k.a fka n.k.a d.b.a dba vide betw et.seq seq
            """,
        ),
        Group(
            "firms",
            Abbreviation.ENDING,
            f"{_CMOS}, 10.22 (corporate names); golden rules 6 to 9",
            """
            co cos inc corp ltd llc llp plc bros mfg gmbh pty s.a n.v b.v s.p.a a.g l.p l.l.c etc &c ibid btw p.l.c
            s.r.l srl sarl s.a.r.l kgaa ohg oyj k.k incorp llps p.c p.l.l.c l.l.p
            """,
        ),
        Group(
            "behind a name",
            Abbreviation.OFTEN,
            f"{_CMOS}, 10.19-10.21 (junior, degrees, honours); golden rule 12",
            """
            jr snr jnr esq ph.d phd m.d d.d.s m.a b.a b.s m.s j.d ll.b ll.m ed.d d.phil m.b.a r.n c.p.a al ret b.sc bsc
            m.sc msc b.eng m.eng m.phil d.sc sc.d d.litt litt.d d.mus mus.b mus.d b.mus m.mus b.com b.comm m.com b.tech
            m.tech b.arch m.arch m.p.h m.p.a m.p.p m.s.w m.f.a b.f.a b.b.a d.min m.div th.d th.m psy.d pharm.d d.v.m o.d
            j.s.d ll.d m.ed b.ed ed.m ed.s l.p.n c.f.a k.b.e o.b.e m.b.e c.b.e f.r.s f.r.c.s q.c k.c b.d s.j f.s.a hons
            """,
        ),
        Group(
            "months and days",
            Abbreviation.OFTEN,
            f"{_CMOS}, 10.39-10.40",
            """
            Mar Jun Jul Sep Mon Wed Fri Sat Sun jan feb apr aug sept oct nov dec tue tues thu thur thurs
            """,
        ),
        Group(
            "streets and places",
            Abbreviation.OFTEN,
            f"{_CMOS}, 10.27-10.33 (states, addresses, compass); golden rules 10 and 11",
            """
            ave av blvd rd ln hwy pkwy expy sq ter cres ct pk plz n.w s.w n.e s.e Ala Ariz Ark Calif Cal Colo Conn Del
            Fla Ga Ind Kan Ky La Md Mich Minn Miss Mont Neb Nebr Nev Mass Okla Ont Ore Penn Penna Tenn Tex Vt Va Wash
            Wis Wisc Wyo Isl Pen prov dist terr univ inst assn assoc dept div bur natl intl govt aly bch blvds rds sts
            aves cir crk ctr cv expwy fwy gdns grn grv hbr hts jct lk lndg mtn mtns rdg riv sta stn str trl trce vly vlg
            vw xing twp cnty p.o Alas Dak Haw Alta Sask Que Nfld Qld Tas W.Va
            """,
        ),
        Group(
            "measures",
            Abbreviation.ENDING,
            f"{_CMOS}, 10.58-10.65 (traditional units, time)",
            """
            hrs min mins secs wk wks yr yrs mo mos lb lbs oz gal qt doz cu ht wt mph kph rpm kg kgs km kms cm mm ml dl
            mg kw pts qts gals pks bu bbl bbls tbsp tbsps tsp tsps pkg pkgs pcs ctn dz yd yds mi msec hp bpm dpi ppm psi
            atm kcal degs qtr qtrs cts kt kts mpg bhp mgs kwh mhz khz ghz m.p.g r.p.m b.t.u
            """,
        ),
        Group(
            "scholarship and everyday use",
            Abbreviation.OFTEN,
            f"{_CMOS}, 10.42-10.43; CLDR 46 suppressions; pySBD's and syntok's public test sentences",
            """
            abbr abs acad adj adv alt anon avg bibl biog biol bot circ coll colloq comm comp compl conj const cont contd
            corr deg depts dict diff diss ed eds educ elem eng est et exch exec exp fac fem fwd geog geol geom gram hist
            hosp illus imp indef introd jour Lat Lib Lit Mag masc math max med mem misc mod mss mus myth nat neg neut
            obs orig perf phil phys poss pref priv prob proc pron pseud publ quot ref refs rel repr rept sci Soc spec
            std subj subsp subst suff superl supp suppl syn synth tech theol trans transl usu var voc dia sp spp ssp nom
            agt amer amt ans appt arr assgn auth aux bal batt brit cath cent cert chem chron cit coeff comdg decl descr
            dimin elec elev encl encyc equip equiv exc exptl fict fut glos gov't hdqrs hort inf instr intr inv irreg
            ital lang liq manuf mech memb mfd mfr mgmt mil mtg naut num occas opp ord org orth perm pers petr pharm
            philos phot plur polit pos prelim prev prin prod psych punct qty recd rect req rhet sociol subscr surv symb
            tabl temp theat topog trad transf trig typ ult unabr unspec veter vocab whse avdp Exod Lev Deut Judg Ps Eccl
            Jer Ezek Hos Mic Zech Mal Rom Eph Thess Heb Jas
            """,
        ),
        Group(
            "time of day",
            Abbreviation.CLOCK,
            f"{_CMOS}, 9.37-9.39 (time of day), 10.41; golden rule 18",
            """
            a.m p.m
            """,
        ),
    ),
    starters="""
        i the this that these those there then they we he she it you my your his her its our their what when where why
        how who which while although though however but and so if in at as by for from with after before since
        because during despite until once another also additionally moreover furthermore finally next meanwhile instead
        therefore thus hence perhaps maybe please let do did does is are was were can could should would have has had
        not now here each every some many most several both few millions thousands hundreds today
        yesterday tomorrow later soon sometimes often never unlike according overall similarly likewise specifically
        generally typically usually a an any nobody everyone everybody someone anyone nothing everything something
        to on or of than just only even still such whether whose whom whatever whenever nevertheless nonetheless
        otherwise consequently
        """,
    short="""
        a i it is me us we he she you him her his who day way one two six ten yes nor not now too out off up
        on in at by so do did go got get had has was are were be been am an as if or and but all any can let
        say saw see set run put own our its new old few lot man men son boy end top far ago try buy pay use
        ask act add age air bad bag bar bed big bit box bus car cat cup cut dad die dog dry due ear eat egg
        eye fan fat fit fix fly fun gas god gun guy hat hit hot how ice ill job joy key kid law lay led leg
        lie lip low mad map mix mom mud net nut odd oil per pet pie pop pot raw red rid rip row sad sea sex
        shy sir sit sky sum sun tax tea tie tip toe tom toy two van via war wet why win won yet zoo api app
        bug cli css csv cpu gpu gui html id ip json llm log npm os pdf php pip ram sdk sql ssh ui url usb
        web xml yml ok tv pc
        """,
    loose="""
        a an the of in on at by for from with to into onto upon over under about between through during
        without within and or but nor so as if than that which who whose when where while because although
        though since until unless is are was were be been being am has have had do does did can could may
        might must shall should will would not no my your his her its our their this these those some any
        each every i you he she it we they
        """,
    exclaimed="yahoo jeopardy joomla",
    reporting="""
        he she they i we said says asked asks cried replied shouted yelled whispered exclaimed answered wondered thought
        of in at for and or but to from with is was are were which who that as on by
        """,
    dates="""
        monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thurs fri sat sun
        january february march april may june july august september october november december
        jan feb mar apr jun jul aug sep sept oct nov dec
        est edt cst cdt mst mdt pst pdt et ct mt pt gmt utc bst cet cest ist eastern central pacific mountain
        """,
    counted="""
        and or to nearly almost only just
        chapter section part step stage phase level grade class room page line number no figure table volume type
        version size age day week month year score rule case question answer act scene season episode verse point unit
        lesson exercise problem example equation appendix article paragraph option track round game group team
        series world war plan vitamin hepatitis form schedule category priority tier gate platform channel
        """,
    units="""
        in ft hr hrs sec secs min mins mi yd am pm st mt deg oz lb lbs cal gal pt qt doz cu sq bar m a c mo yr wk fl
        lin
        """,
    contractions="""
        tis twas twere twill twould tisn twasn twixt tween gainst neath neathe mongst mid cause cuz cos coz em im
        til till round bout cept ere alf ouse ave appen arf fraid fore nuff sall spose scuse sup
        zat zup kay
        """,
)
