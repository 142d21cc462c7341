"""Portuguese."""

from __future__ import annotations

from typing import Final

from pytest_streamval.engine.prose.languages.base import Abbreviation, Group, Language

PORTUGUESE: Final = Language(
    code="pt",
    name="Portuguese",
    groups=(
        Group(
            "titles",
            Abbreviation.TITLE,
            "Academia Brasileira de Letras, reduções; CLDR 46 sentence-break suppressions (pt)",
            """
            sr sra srs sras srta dr dra drs dras d dom dona prof profa profª eng arq exmo exma ilmo ilma sto sta st pe
            fr mons gal gen ten sgt alm des dep sen gov av r srª sres srtas drª dr.ª sr.ª drªs dres d.ª dª profs profas
            prof.ª engº engª eng.º enga engs arqº arqª arqa arqto adv advº advª advs lic licº licª ms msc m mr mrs mme
            mlle mgtr deps verª pref presid pres v.-pres v.pres gob proc delª insp emb emba côns cons dirª gte ger coord
            supt ten.-cel tcel t.cel ten.cel maj capt cmdt cmte comte brig v.alm c.alm valm sarg sargt subten sten cb sd
            sold p.e irª irs cón côn bp bpo arc arceb card rev revdo revmo rev.mo rvdo rvmo stos stas s n.s n.sra n.sª
            exmos exmas exª ex.ª exa exas v.exa v.ex.ª v.exª v.s.ª v.sª v.s v.a v.m v.rev v.m.cê vm ilmos ilmas ilustr
            mto digmo dig.mo dign excia excias meritmo mmo bel bels bela bach b.el vda comend comendª visc cde mq marq
            duq alam avª aven trav tv rodov estr lg lgo lrg lad pça praç pca pq pqe prq pte qd qda quad jd jdim jard vl
            conj cj cond edf edif bco becº bulv blv boul sq fz sít chác hab bº revma dna v.sa eng.ª arq.º mtr dout
            """,
        ),
        Group(
            "ahead of a number or a label",
            Abbreviation.NUMBER,
            "Academia Brasileira de Letras, reduções",
            """
            n nº n° no p pp pág págs art arts cap caps fig figs vol vols t tel tab sec ap apto cx n.º n.os nr nro núm
            núms pg pgs pags pag artº incs alín alíns § §§ par párag graf gráf qdr tabs tbl tom tt liv lv fl fls fol
            fols f ff ll vv vers seç sç secç anx apart apt aptos bl sl lj ljs cxp c.p cep tels telef tf tlf tlm telem
            ram fax prot protoc resol decr dl d.l ofíc exp refs lib eds nums art.º parág tít lív anex pc blc
            """,
        ),
        Group(
            "connecting",
            Abbreviation.NEVER,
            "Academia Brasileira de Letras, reduções; CLDR 46 sentence-break suppressions (pt)",
            """
            p.ex ex i.e e.g cf vs v.g a.c d.c aprox máx obs id ibid op a/c exs cfr conf vd vid a.e.c e.c a.d mín max ca
            circ op.cit cit loc loc.cit l.c ib s.d s.l s.n s.v s/d s/n n.b nb n.do.t n.t n.e n.a n.r p.s p.f q.v r.s.v.p
            s.f.f s.m.j s.e.o i.é obg obgdo att atte c/ c/c resp sg sgs segs seq seqs ant pxmo últ ult dto dtª dta esq
            esqª incl excl dif i.a m.e m.to nesc p/ p.m.o tb tbm qto qdo q.do avs jdm prox pgto
            """,
        ),
        Group(
            "often the last word",
            Abbreviation.ENDING,
            "Academia Brasileira de Letras, reduções",
            """
            etc ltda inc ltd corp s.a co jr etcs c.ia lda ldª ltdª s.a.r.l sarl s.a.s s.g.p.s sgps s.p.a eireli e.i.r.l
            epp unip bros gmbh llc plc e.p.e e.p fº jún a.m p.m sfr
            """,
        ),
        Group(
            "measures",
            Abbreviation.ENDING,
            "Academia Brasileira de Letras, reduções; SI Brochure",
            """
            min seg h hs hrs km kg cm mm ml mg gr kw kwh lt pç pçs dz pol
            """,
        ),
        Group(
            "months and days",
            Abbreviation.OFTEN,
            "CLDR 46 sentence-break suppressions (pt)",
            """
            jan fev jun jul ago nov sáb janº fevº setº outº novº dezº
            """,
        ),
        Group(
            "days and months that are words",
            Abbreviation.DAY,
            "CLDR 46 sentence-break suppressions (pt)",
            """
            mar set dez ter sex out qua qui mai
            """,
        ),
        Group(
            "everyday use",
            Abbreviation.OFTEN,
            "CLDR 46 sentence-break suppressions (pt)",
            """
            cia cias abr abrev adm aer agric anat arit arqueol arquit astron autom aux bibl biogr bras cat cel col com
            comp compl cont contab créd círc cód desc dipl dir div doc ed educ elem eletr end esp est fac fasc fem fil
            filos fisiol fot geom gram hist ind ingl jur lat lin liter long máq masc mat matem méd mov mús náut neol
            odont org organiz pal port prod pron próx psicol quím ref rel rep res rod sociol sup séc símb tec tecnol
            trad transp univ álg índ u.s u.s.a e.u.a ab abl absol acad acep acust açor adapt adj advoc aeron afér afect
            afr agl agr agrár agrim agron alfaiat alg algar alent alq amaz amer amér anál angl angol anôn antr antrop
            antôn anton apic aport aprec arcaic arch artíst artig ascét asiát assem assoc assin astr astrol ativ átom
            atr aug aum aviaç avic bact bacter bairr bal bárb beir berb bíbl bibliog bibliogr bibliot biog biol bioquím
            bot bur burl búss byz caç cal cálc calç canad capix carp carpint catal catól caval cear celt cent cerâm cerv
            chil chin chul cient cinem cir cirurg citol cláss clim colet coloq comb comerc comun concl constr contr
            contrat coop corresp corrupt cosm cosmog crist cron cronol cryst cul cutel danç defec deform dem demogr dens
            depr deriv derm desp desus determ dial didát dialét dic dicion dim dimin diplom direc docs doutr dram drav
            ecl ecles ecol econ efem eletrôn elétr eliminat embr empr encicl enfát enol entom entomol epíst equat equiv
            eql erp erud escoc escand escol escult eslav espec espet esport estat estét etim etiol etn etnog etnol etrus
            euf eufem exag expr ext fam farm farmac feud figd filat filol fís finl fisc fitogr fitol folc fon fonét
            fonol fotogr franc freq frequ funç fut galic gaul gên geneal genét genov geof geog geogr geol germ ginec gír
            gloss goth gót grec guar guin habit hebr herál herp hidr hidrául hidrogr higien histol holand homeop homôn
            hort húng ibér ict ictiol imp imper imperf impess impr impróp indet indic indef indum indúst inf infant
            infinit infl inform insep inst instr integr intens interj internac interr intr inv invar irôn irreg ital jap
            joc jorn jurid juríd jurisp latit legisl lex lexic limin ling lit liturg lóg lus maç maiúsc maq maranh
            marinh marít marn mec mecân med medic medid mex metáf metát meteor metr métr milit miner minúsc mit mitol
            mod moed moç mong morf mun munic naút naveg neer neerl neg neur neutr nom nórd numer numism obsol obst occ
            oceanogr odontol ofid ópt oft oftalm orig orn ornit ortogr ourives paleog paleont parapsic parôn pat patol
            pedag pedol pej perf pers pesc pess petr piaui pirot pl platin pleon plur poét poes polít poss prep pret
            priv pronom prosód prov provenç psic psican psiq psiquiatr quich rad radiol radiot reg regr relat relig relõ
            ret retór rom russ s.m s.f sânsc sapat semit serr serralh sérv sílab simb simpl sing sinôn sint sír subj
            subst suf sufix superl tauro tauromaq teat técn telev teol term terap térm terat tip tipog tipogr topog
            topon transm trat trigon trib triv turism urb urol urug util var vasc venat vet veter voc vulg zool zoot
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
    units="""
        min seg h m a s g l t hs pol gr lt v
        """,
    contractions="""
        tá tava tou tamo tão cê cês pera péra peraí té inda brigado brigada cabou guenta xá ocê sora fessor
        fessora teja
        """,
)
