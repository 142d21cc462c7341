"""Portuguese."""

from __future__ import annotations

from typing import Final

from pytest_streamval.engine.prose.languages.base import Group, Kind, Language

PORTUGUESE: Final = Language(
    code="pt",
    name="Portuguese",
    groups=(
        Group(
            "titles",
            Kind.TITLE,
            "Academia Brasileira de Letras, reduções; CLDR 46 sentence-break suppressions (pt)",
            """
            sr sra srs sras srta dr dra drs dras d dom dona prof profa profª eng arq exmo exma ilmo ilma
            sto sta st pe fr mons gal gen ten sgt alm des dep sen gov
            ten.-cel sarg sold exmos exmas ilmos ilmas revmo revma dna vv v.ex.ª v.exa
            v.sa presid eng.º eng.ª engª engº arq.º arqa prof.ª dr.ª sr.ª srª drª mtr dout
            """,
        ),
        Group(
            "ahead of a number or a label",
            Kind.NUMBER,
            "Academia Brasileira de Letras, reduções",
            """
            n nº n° no p pp pág págs art arts cap caps fig figs vol vols t tel tab sec r ap apto cx
            nr nro núm nums art.º incs alín § parág tít lív liv fls fol nota anex
            pç pça pc bl blc qd sl salas conj
            """,
        ),
        Group(
            "connecting",
            Kind.NEVER,
            "Academia Brasileira de Letras, reduções; CLDR 46 sentence-break suppressions (pt)",
            """
            av
            p.ex ex i.e e.g cf vs v.g a.c d.c aprox máx obs id ibid op a/c
            avs trav estr rodov lg jd jdm vl bº p.f p.s telef fax prox
            ant pg pgto
            """,
        ),
        Group(
            "often the last word",
            Kind.ENDING,
            "Academia Brasileira de Letras, reduções",
            """
            etc ltda cia inc ltd corp s.a co min h hs jr
            """,
        ),
        Group(
            "months and days",
            Kind.NEVER,
            "CLDR 46 sentence-break suppressions (pt)",
            """
            jan fev mar mai jun jul ago set out nov dez seg ter qua qui sex sáb
            janº fevº setº outº novº dezº
            """,
        ),
        Group(
            "everyday use",
            Kind.OFTEN,
            "CLDR 46 sentence-break suppressions (pt)",
            """
            abr abrev adm aer agric anat arit arqueol arquit astron autom aux bibl biogr bras cat cel col com
            comp compl cont contab créd círc cód desc dipl dir div doc ed educ elem eletr end esp est fac fasc
            fem fil filos fisiol fot geom gram hist ind ingl jur lat lin liter long máq masc mat matem méd mov
            mús náut neol odont org organiz pal pol port prod pron próx psicol quím ref rel rep res rod sociol
            sup séc símb tec tecnol trad transp univ álg índ u.s u.s.a e.u.a
            """,
        ),
    ),
    starters="""
        o a os as um uma uns umas ele ela eles elas eu tu você vocês nós me te se meu minha teu tua seu sua
        nosso nossa este esta estes estas esse essa esses essas isto isso aquele aquela aquilo e ou mas porém
        porque pois como quando onde enquanto se não sim nem que quem qual quais quanto por para com sem sobre
        desde até entre segundo após em no na nos nas de do da dos das ao à pelo pela muito mais menos também
        além depois então agora hoje ontem amanhã aqui ali lá assim tudo todo toda todos todas cada alguns
        algumas muitos muitas vários é era foi são está estão há tem têm olá obrigado ótimo
        """,
    short="""
        a à ao aí ali amo ano ar as até bem boa bom cá céu chá com cor cru da dá dar das de dê dei dia dia do
        dó dor dos e é eis ela ele em era eu eua fé fez fim foi gás gol há ia ido ir já lá lei ler lhe luz mãe
        mal mão mar mas mau me meu mil nem no nó nós o os ou pai pão paz pé pó por pôr pra que rei rir rio rua
        sal se sei sem ser seu si sim só sol sou sua sul tal tão te tem teu ti tio tu tua um uma use uso vê
        vem ver vez via vir voz vós
        """,
    loose="""
        o a os as um uma de do da dos das em no na nos nas por para com sem sobre entre e ou mas que se não é
        são foi ao à pelo pela mais como seu sua
        """,
    exclaimed="""
        yahoo joomla
        """,
    reporting="""
        disse diz perguntou pergunta respondeu gritou exclamou pensou acrescentou sussurrou e ele ela
        """,
    counted="""
        página capítulo parte passo seção artigo figura tabela versão nível classe número dia
        """,
)
