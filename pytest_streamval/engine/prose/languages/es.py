"""Spanish."""

from __future__ import annotations

from typing import Final

from pytest_streamval.engine.prose.languages.base import Abbreviation, Group, Language

SPANISH: Final = Language(
    code="es",
    name="Spanish",
    groups=(
        Group(
            "titles",
            Abbreviation.TITLE,
            "Real Academia Española, Ortografía, lista de abreviaturas; CLDR 46 sentence-break suppressions (es)",
            """
            sr sra sres sras srs srta srtas d da dña dn dr dra drs dras lic licda lcdo lcda ing prof profa fr fray mons
            pbro rvdo rvdos excmo excma ilmo ilma gral cnel tte sto sta st mtro arq abg hno hnos av avda c cra cl s.a.r
            s.e s.s ss.mm mag mgtr mgter msc lics lica licdo ldo lda inga ings arqta abog abgda dres profs prof.ª prof.a
            dr.ª catedr mtra mtros psic psicól econ cp cpn enf odont bach bachi bto bta stos stas s sn emmo excmos
            excmas rvmo rvma rda rev revs rvda hna hnas sac obpo arz arzbpo card mñr d.ª gobr sen dip pdte pdta presid
            vicepres secr srio sria dtora insp intend cmdte cmte cte cptn capt alfz alf tcnel tcol cbo brig gte
            gral.brig alm valm calm sbtte subtte cdte m mr mrs conc alc fisc magdo mgdo lcdos exca avs bv blvr blvd
            bulev calz cjón c/ cno ctra crtra cda cj diag gta jard pje pq pº plza pl plz psje pzo prol qta rbla rta trav
            transv urb v.ª fracc jr autop ptda magist dipl agte almte cmdt mñor vpdte tnte ingra
            """,
        ),
        Group(
            "ahead of a number or a label",
            Abbreviation.NUMBER,
            "Real Academia Española, Ortografía",
            """
            n° nº n.º núm no pág págs p pp art arts cap caps fig figs vol vols t tel tfno ext párr párrf apdo n nro nros
            núms num nums n.os pg ppág parr párrs § apart apdos ar cáp cláus fasc fol fols f fs lib libs lám láms lín
            líns incs ejs edic epíg vers v vv tom ts tab tabs tbl cuad gráf gráfs anx anex ref refs res resol decr d.l
            ofic exp expte expt fact fra mza manz mzn edif inte apt apto apts hab tels teléf tfnos telef cel exts cód
            c.p a.p sec secc ses art.º tabl tít títs cta pta
            """,
        ),
        Group(
            "connecting",
            Abbreviation.NEVER,
            "Real Academia Española, Ortografía; CLDR 46 sentence-break suppressions (es)",
            """
            p.ej ej e.g i.e cf cfr vs v.gr a.c d.c aprox máx mín fdo id ibid ap p.e v.g esp espec apróx a.j.c d.j.c
            a.de.c d.de.c a.e.c e.c cfto conf vid op cit op.cit ob.cit ob loc loc.cit l.c ib ibíd íd s.f s.n s.v s.d n.b
            nb n.del.t n.t p.d pd p.s q.e.p.d q.d.g r.i.p d.e.p s.e.u.o u.r.g att a/a b.l.m e.p.d e.p.m prom ppal ppales
            resp respect sig sigs sgte sgtes sgs sigte ant pxmo próx pmo dcho incl excl c/c c/u ca circ carr esq barr
            cits apr prox
            """,
        ),
        Group(
            "often the last word",
            Abbreviation.ENDING,
            "Real Academia Española, Ortografía",
            """
            etc ltda ltd inc corp s.a s.l s.r.l c.v etcs s.a.s s.a.u s.l.u s.l.l s.coop s.c s.c.a s.en.c s.a.b s.a.c
            s.de.r.l r.l e.i.r.l s.p.a co bros s.a.de.c.v a.m p.m m.n u.s.f gmbh llc plc e.s.m
            """,
        ),
        Group(
            "measures",
            Abbreviation.ENDING,
            "Real Academia Española, Ortografía; SI Brochure",
            """
            min seg h hs hr hrs km kg kgs cm mm ml mg gr grs lt lts mts mt pulg pulgs doc docs kw kwh tm qq lb lbs oz
            """,
        ),
        Group(
            "months and days",
            Abbreviation.OFTEN,
            "Real Academia Española, Ortografía; CLDR 46 sentence-break suppressions (es)",
            """
            ene feb jun jul ago sep sept set oct nov lun mié jue sáb febr mzo jn jl agt octbre dbre mart miérc juev vier
            doming
            """,
        ),
        Group(
            "days and months that are words",
            Abbreviation.DAY,
            "Real Academia Española, Ortografía; CLDR 46 sentence-break suppressions (es)",
            """
            mar sal sol dom may vie
            """,
        ),
        Group(
            "everyday use",
            Abbreviation.OFTEN,
            "CLDR 46 sentence-break suppressions (es)",
            """
            cía cías abr admón adm afmo atte bco bibl bol col comp depto deptos desc dic dpto dptos dto dtor ed fabric
            fund gob izq der dcha ms mss ntra ntro prov pza rdo reg rte s.m sdad sgto smo ss trad vda u.s u.s.a ee.uu ee
            uu ff.cc jj.oo rr.hh abl abrev abs acad acus adj adv aer aeron afl agr agric álg alq amb amer anat anón
            antrop apl aprob apte arcaiz archit argent arit arqueol asoc astr astrol astron aum autom auxil barb biol
            bioq br cat cent ceram cient cinem cir clas coloq coment complem compl cond conj const constr contr coop
            corr cosm cult defect dem depend deriv derog derech desp despect desus dial dim diplom disp distr div eccl
            ecl ecol educ elect electr elem equit equiv escult estad estud etim eufem exc expr extens fam fem ferr fest
            filat filol filos fís fisiol fon fonét fórm fot fotogr fras frec fut gén geneal geog geogr geol geom ger
            germ gram grab gralm hebr her hidrául hist hond hort ibér imp imper impers impr indef indet indic inf infl
            inform infinit ingl inst instit intens interj internac interr intr invar irón irreg izda izdo izqda izqdo
            ital jerg jur juríd lat ling lit liter lóg lug masc mat matem mec médic mejic meteor métr mex milit mit mont
            mús nav negat neol neutr nicar numism obs ópt orig ornit ortogr pal parapsicol pat peyor perf pers persp
            peruan pint pleb plur poét polít port pref prehist prep pret pral priv prob prod pron pronom prot provinc
            psicol psiquiat quím rec recípr reflex rel relat relig rep rur salv símb sing sínt síst soc sociol subj suf
            sup superl sust tauron taurom teat tecn tecnol telec teol term térm topogr trans transp trat trig ú ud uds
            vd vds ult últ univ urug usáb vasc venez verb vet vulg zool zoot
            """,
        ),
    ),
    starters="""
        el la los las un una unos unas él ella ellos ellas yo tú usted ustedes nosotros nos me te se lo le les
        mi mis tu tus su sus nuestro nuestra este esta estos estas ese esa esos esas esto eso aquello aquel
        aquella y e o u pero sino aunque porque pues como cuando donde mientras si no sí ni que quien cual
        cuál cuándo dónde cómo por para con sin sobre desde hasta entre según tras ante en de del al a muy más
        menos también además luego entonces ahora hoy ayer mañana aquí allí así tal todo toda todos todas cada
        algunos algunas muchos muchas varios es era fue son está están hay había ha han hola gracias
        """,
    short="""
        a al así año con da dar de del día dos el en era es eso fe fin fue gas gol ha han hay he hoy ida iré
        ir la las le les ley lo los luz mal mar más me mes mi mí mil mío muy ni no nos o ojo oír paz pan par
        piel pie por que qué rey río rol sal san se sé ser si sí sin sol son soy su sur tal te té ti tía tío
        tu tú un una uno uso va ven ver vez vi via vía vio voy voz ya yo
        """,
    loose="""
        el la los las un una unos unas de del al a en con por para sin sobre entre y o u e pero que si no se
        es son fue su sus mi tu más muy como
        """,
    exclaimed="""
        yahoo joomla
        """,
    reporting="""
        dijo dice preguntó pregunta respondió gritó exclamó pensó contestó añadió susurró y él ella
        """,
    counted="""
        página capítulo parte paso sección artículo figura tabla versión nivel clase número día
        """,
    units="""
        min seg h m a s g l t pulg gr hs hr lt pt v
        """,
    contractions="""
        ta tá toy ña ñor pa pal
        """,
)
