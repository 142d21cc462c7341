"""Spanish."""

from __future__ import annotations

from typing import Final

from pytest_streamval.engine.prose.languages.base import Group, Kind, Language

SPANISH: Final = Language(
    code="es",
    name="Spanish",
    groups=(
        Group(
            "titles",
            Kind.TITLE,
            "Real Academia Española, Ortografía, lista de abreviaturas; CLDR 46 sentence-break suppressions (es)",
            """
            sr sra sres sras srs srta srtas d da dña dn dr dra drs dras lic licda lcdo lcda ing prof
            profa fr fray mons pbro rvdo rvdos excmo excma ilmo ilma gral cnel tte sto sta st mtro arq
            abg hno hnos
            mag magist ldo lda dipl arqta agte alfz almte cmdt cte dip emmo mñor obpo pdte pdta
            vpdte tnte lt v.ª s.e uds vd vds profs mtra ingra
            """,
        ),
        Group(
            "ahead of a number or a label",
            Kind.NUMBER,
            "Real Academia Española, Ortografía",
            """
            n° nº n.º núm no pág págs p pp art arts cap caps fig figs vol vols t tel tfno ext párr párrf
            apdo km
            nro nros n.os ns art.º ejs incs lám láms libs fasc fol fols lín líns tabl tít
            títs cta cód cp c.p apto pta
            """,
        ),
        Group(
            "connecting",
            Kind.NEVER,
            "Real Academia Española, Ortografía; CLDR 46 sentence-break suppressions (es)",
            """
            av avda c cra cl p.ej ej e.g i.e cf cfr vs v.gr a.c d.c aprox máx mín fdo id ibid ap
            plza pje urb ctra carr edif esq barr blvr p.e v.g cits sigs apr
            prox próx rda
            """,
        ),
        Group(
            "often the last word",
            Kind.ENDING,
            "Real Academia Española, Ortografía",
            """
            etc cía ltda ltd inc corp s.a s.l s.r.l c.v hs h min seg
            """,
        ),
        Group(
            "months and days",
            Kind.NEVER,
            "Real Academia Española, Ortografía; CLDR 46 sentence-break suppressions (es)",
            """
            ene feb mar may jun jul ago sep sept set oct nov lun mié jue vie sáb dom
            febr mzo jn jl agt octbre dbre mart miérc juev vier doming
            """,
        ),
        Group(
            "everyday use",
            Kind.OFTEN,
            "CLDR 46 sentence-break suppressions (es)",
            """
            abr admón adm afmo atte bco bibl bol col comp depto deptos desc dic doc dpto dptos dto dtor ed
            fabric fund gob izq der dcha ms mss ntra ntro prov pza rdo reg rte s.m sdad sgto smo ss trad vda
            u.s u.s.a ee.uu ee uu ff.cc jj.oo rr.hh
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
)
