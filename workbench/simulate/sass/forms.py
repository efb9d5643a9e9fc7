"""The SASS instructions that are known, and what each becomes: the one table of this front end.

A row says how the operands of an opcode are written (its signature), which modifiers it may have, and the machine's
form that does it. Signature, a token per operand, in order; the machine's operand k is token k:

    d D      result: one register, a pair          q        result: a predicate
    i        integer, - and ~ allowed              w        pair of registers as an integer of 64 bits
    I W      integer, pair without modifiers       f g h    float, double, two halves
    p        predicate; =T or =F where absent      B        convergence barrier
    t u      PT, !PT, and no operand of the machine: what other predicates do there is not known
    v        pair of registers with two floats
    n m      a number that goes into `variant`, into the high half of `immediate`
    P        all predicates                        _        nothing, an empty place
    ?        behind a result or a source: may be absent (a result is then thrown away, a source is 0)

A modifier belongs to one of the row's groups. A group that maps to text adds it to the form's name, one that maps to a
number adds it to `variant`. Modifiers that change nothing here (cache hints, scheduling) are IGNORED by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """Modifiers of which one may stand, or none where there is a default."""

    options: Mapping[str, str | int]
    default: str | int | None = None
    shift: int = 0
    high: bool = False
    """A number goes into the high half of `immediate` instead of `variant`."""


@dataclass(frozen=True)
class Row:
    signature: str
    form: str
    groups: tuple[Group, ...] = ()
    ignored: frozenset[str] = frozenset()
    plain: bool = False
    """The machine has a quicker form, NAME.plain, for sources without modifiers."""
    uniform: bool = False
    """Acts once for the whole warp: the uniform datapath."""
    since: int = 80
    """The first architecture whose code has the form; in that of an older one it is refused."""


def _flag(name: str, value: int, high: bool = False) -> Group:
    return Group({name: value}, 0, high=high)


def _type(default: str = "s32") -> Group:
    return Group({"U32": "u32", "S32": "s32"}, default)


WIDE = Group({"64": "64"})
WIDE_TYPE = Group({"S64": "s64", "U64": "u64"})
BOOLEAN = Group({"AND": 0, "OR": 1, "XOR": 2}, None)
INTEGER_COMPARISON = Group({name: name.lower() for name in ("F", "LT", "EQ", "LE", "GT", "NE", "GE", "T")})
FLOAT_COMPARISON = Group(
    {name: name.lower() for name in (
        "LT", "EQ", "LE", "GT", "NE", "GE", "NUM", "NAN", "LTU", "EQU", "LEU", "GTU", "NEU", "GEU")}
)  # fmt: skip
_RELATIONS = {"LT": 1, "EQ": 2, "LE": 3, "GT": 4, "NE": 5, "GE": 6, "NUM": 7, "NAN": 8}
HALF_COMPARISON = Group(
    {**_RELATIONS, **{f"{name}U": code | 8 for name, code in list(_RELATIONS.items())[:6]}}, None, shift=2
)
ROUNDING = Group({"RN": 0, "RM": 1, "RP": 2, "RZ": 3}, 0)
TO_INTEGER = Group({"RN": 0, "FLOOR": 1, "CEIL": 2, "TRUNC": 3}, 0)
FTZ = _flag("FTZ", 4)
SAT = _flag("SAT", 8)
HALF = Group({"BF16_V2": "bf16", "BF16": "bf16", "F16": "f16", "F16_V2": "f16"}, "f16")
INTEGERS = ("S8", "U8", "S16", "U16", "S32", "U32", "S64", "U64")
INTEGER = Group({name: name.lower() for name in INTEGERS}, "s32")
EIGHT = Group({"E4M3": "e4m3x2", "E5M2": "e5m2x2"})
_SINGLE, _TWO_HALVES = Group({"F32": "f32"}), Group({"F16": "f16x2"})
_TO_EIGHT = Group({"SATFINITE": ""})
_RELU = _flag("RELU", 1)
FORMAT = Group({"F32": "f32", "F64": "f64", "F16": "f16", "BF16": "bf16"}, "f32")


def _rows(table: dict[str, list[Row]]) -> dict[str, tuple[Row, ...]]:
    return {opcode: tuple(rows) for opcode, rows in table.items()}


_ARITHMETIC = (ROUNDING, FTZ, SAT)
_MODES = Group({"IDX": 0, "F4E": 1, "B4E": 2, "RC8": 3, "ECL": 4, "ECR": 5, "RC16": 6}, 0)
_SHIFT_TYPE = Group({"U32": "u32", "S32": "s32", "U64": "u64", "S64": "s64"})
_DIRECTION = Group({"L": "l", "R": "r"})
_HALVES = Group({"HI": "hi", "LO": "lo"}, "lo")
_WRAP = _flag("W", 1)
_MUFU = {n: n.lower() for n in ("EX2", "LG2", "RCP", "RSQ", "SQRT", "TANH", "SIN", "COS", "RCP64H", "RSQ64H")}
_HALVES_OF_A_WORD = Group({"S16x2": "s16x2", "U16x2": "u16x2"})
_HALF_END = (_flag("SAT", 4), _flag("RELU", 8))
_IMAD = frozenset({"MOV", "IADD", "SHL", "U32", "S32"})
_DOT = (Group({"S8": 1, "U8": 0, "S16": 1, "U16": 0}), Group({"S8": 2, "U8": 0}))

ARITHMETIC: dict[str, tuple[Row, ...]] = _rows(
    {
        # Moves
        "MOV": [
            # SPILL: a uniform register is kept in another, and R2UR.FILL takes it back.
            Row("d I", "sass.mov", ignored=frozenset({"SPILL"})),
            Row("D W", "sass.mov", (WIDE,), since=120),
        ],
        "SEL": [
            Row("d i i p=T", "sass.sel", plain=True),
            Row("D w w p=T", "sass.sel", (WIDE,), plain=True, since=120),
        ],
        "P2R": [Row("d P I I", "sass.p2r", (Group({"B1": 1, "B2": 2, "B3": 3}, 0),))],
        "R2P": [Row("P I I", "sass.r2p", (Group({"B1": 1, "B2": 2, "B3": 3}, 0),))],
        # Integers
        "IADD3": [
            Row("d i i i", "sass.iadd3", plain=True),
            Row("d q? q? i i i p=F p=F", "sass.iadd3.carry", ignored=frozenset({"X"})),
            # Its carries are not known.
            Row("D t t w w w", "sass.iadd3", (WIDE,), plain=True, since=100),
        ],
        "IADD": [
            Row("d i i _0", "sass.iadd3", plain=True, since=120),
            Row("d q? _1 i i _0 p=F _2", "sass.iadd3.carry", ignored=frozenset({"X"}), since=120),
            Row("D w w", "sass.iadd", (WIDE,), plain=True, since=120),
            Row("D q? w w p=F", "sass.iadd.carry", (WIDE,), frozenset({"X"}), since=120),
        ],
        "VIADD": [
            Row("d i i _0", "sass.iadd3", plain=True),
            Row("d I I", "add", (Group({"16x2": "u16x2"}),)),
            Row("d i i", "sass.viadd", (Group({"S32": "s32"}), Group({"ISAT": "sat"})), since=120),
            Row("d i i", "sass.viadd", (Group({"U8x4": "u8x4"}),), since=120),
        ],
        "IMAD": [
            Row("d i i i", "sass.imad", ignored=_IMAD, plain=True),
            Row("d i i i p=F", "sass.imad.x", (Group({"X": ""}),), frozenset({"U32"})),
            Row("D i i w", "sass.imad.wide", (Group({"WIDE": ""}), _type()), plain=True),
            Row("D q? i i w p=F", "sass.imad.wide.carry", (Group({"WIDE": ""}), _type()), frozenset({"X"})),
            Row("d q? i i w p=F", "sass.imad.hi", (Group({"HI": ""}), _type()), frozenset({"X"})),
        ],
        "LEA": [
            Row("d q? i i n", "sass.lea"),
            Row("d q? i i _0 p=F n", "sass.lea.hi.sx32", (Group({"HI": ""}), Group({"SX32": ""}))),
            Row("d q? i i _0 n p", "sass.lea.hi.sx32", (Group({"HI": ""}), Group({"SX32": ""})), frozenset({"X"})),
            Row("d q? i i I n p=F", "sass.lea.hi", (Group({"HI": ""}),), frozenset({"X"})),
        ],
        "IMNMX": [
            Row("d i i p", "sass.imnmx", (_type(),)),
            Row("t t D w w p u", "sass.imnmx", (WIDE_TYPE,), since=120),
        ],
        "VIMNMX": [
            Row("d i i p", "sass.imnmx", (_type(), _flag("RELU", 1))),
            Row("d I I p", "sass.imnmx", (_HALVES_OF_A_WORD, _flag("RELU", 1))),
            Row("d I I p", "sass.imnmx", (Group({"S8x4": "s8x4", "U8x4": "u8x4"}),), since=120),
            Row("d t t i i p", "sass.imnmx", (_type(), _flag("RELU", 1)), since=100),
            Row("d t t I I p", "sass.imnmx", (_HALVES_OF_A_WORD, _flag("RELU", 1)), since=100),
        ],
        "VIMNMX3": [Row("d i i i p", "sass.vimnmx3", (_type(),), since=100)],
        "VIADDMNMX": [Row("d i i i p", "sass.viaddmnmx", (_type(),))],
        "IABS": [Row("d i", "sass.iabs")],
        "ISETP": [
            Row(
                "q q i i p p=T", "sass.isetp",
                (INTEGER_COMPARISON, Group({"U32": "u32"}, "s32"), BOOLEAN, _flag("EX", 4)),
            ),
            Row("q q w w p", "sass.isetp", (INTEGER_COMPARISON, WIDE_TYPE, BOOLEAN), since=120),
        ],
        "IDP": [
            Row("d I I I", "sass.idp", (_flag("4A", 0), *_DOT)),
            Row("d I I I", "sass.idp", (Group({"2A": 4}), Group({"LO": 0, "HI": 8}), *_DOT)),
        ],
        "VABSDIFF": [Row("d i i i", "sass.vabsdiff", (_type(),))],
        "VABSDIFF4": [Row("d i i i", "sass.vabsdiff4", (Group({"U8": "u8"}), _flag("ACC", 1)))],
        # Bits
        "LOP3": [
            Row("d i i i n", "sass.lop3", (Group({"LUT": ""}),), plain=True),
            Row("q? d i i i n p=F", "sass.lop3.test", (Group({"LUT": ""}), _flag("PAND", 1, high=True))),
        ],
        "SHF": [
            Row("d i i i", "sass.shf", (_DIRECTION, _SHIFT_TYPE, _HALVES, _WRAP)),
        ],
        "PRMT": [Row("d I I I", "sass.prmt", (_MODES,))],
        "SGXT": [Row("d i i", "sass.sgxt", (_flag("U32", 1), _flag("W", 2)))],
        "BMSK": [Row("d i i", "sass.bmsk", (_flag("W", 1),), frozenset({"C"}))],
        "POPC": [Row("d i", "sass.popc")],
        "BREV": [Row("d i", "sass.brev")],
        "FLO": [Row("d i", "sass.flo", (Group({"U32": 0, "S32": 1}, 1), _flag("SH", 2)))],
        "PLOP3": [Row("q q p p p n m", "sass.plop3", (Group({"LUT": ""}),))],
        # Floats
        "FADD": [Row("d f f", "sass.fadd", _ARITHMETIC, plain=True)],
        "FMUL": [Row("d f f", "sass.fmul", _ARITHMETIC, plain=True)],
        "FFMA": [Row("d f f f", "sass.ffma", _ARITHMETIC, plain=True)],
        "FMNMX": [Row("d f f p", "sass.fmnmx", (FTZ, _flag("NAN", 8)))],
        "FMNMX3": [Row("d f f f p", "sass.fmnmx3", (FTZ, _flag("NAN", 8)), since=100)],
        "FADD2": [Row("D v v", "sass.fadd2", (ROUNDING, FTZ), since=100)],
        "FMUL2": [Row("D v v", "sass.fmul2", (ROUNDING, FTZ), since=100)],
        "FFMA2": [Row("D v v v", "sass.ffma2", (ROUNDING, FTZ), since=100)],
        "FSEL": [Row("d f f p=T", "sass.fsel", (_flag("FTZ", 0),), plain=True)],
        "FSETP": [Row("q q f f p", "sass.fsetp", (FLOAT_COMPARISON, BOOLEAN, FTZ))],
        "FSET": [Row("d f f p", "sass.fset", (_flag("BF", 8), FLOAT_COMPARISON, BOOLEAN, FTZ))],
        "FCHK": [Row("q f f", "sass.fchk", (Group({"DIVIDE": ""}, ""),))],
        "MUFU": [Row("d f", "sass.mufu", (Group(_MUFU),))],
        # Doubles
        "DADD": [Row("D g g", "sass.dadd", (ROUNDING,))],
        "DMUL": [Row("D g g", "sass.dmul", (ROUNDING,))],
        "DFMA": [Row("D g g g", "sass.dfma", (ROUNDING,))],
        "DSETP": [
            Row("q q g g p", "sass.dsetp", (FLOAT_COMPARISON, BOOLEAN)),
            Row("q q g g p", "sass.dsetp", (Group({"MIN": "min", "MAX": "max"}), Group({"AND": 0}))),
        ],
        # Halves
        "HADD2": [Row("d h h", "sass.hadd2", (HALF, _flag("F32", 2), *_HALF_END))],
        "HMUL2": [Row("d h h", "sass.hmul2", (HALF, *_HALF_END), frozenset({"MMA"}))],
        "HFMA2": [Row("d h h h", "sass.hfma2", (HALF, *_HALF_END), frozenset({"MMA"}))],
        "HMNMX2": [Row("d h h p", "sass.hmnmx2", (HALF, _flag("NAN", 4)))],
        "HSETP2": [Row("q q h h p", "sass.hsetp2", (
            HALF, HALF_COMPARISON, BOOLEAN, _flag("H_AND", 1 << 16, high=True)))],
        "HSET2": [Row("d h h p", "sass.hset2", (HALF, _flag("BF", 1 << 16, high=True), HALF_COMPARISON, BOOLEAN))],
        "F2FP": [Row("d f f", "sass.f2fp", (
            HALF, Group({"PACK_AB": ""}), Group({"RN": 0, "RZ": 1}, 0), _flag("RELU", 2)),
                     frozenset({"F32"})),
                 Row("d f f I", "cvt", (EIGHT, _SINGLE, _TO_EIGHT, Group({"PACK_AB_MERGE_C": ""}), _RELU)),
                 Row("d I I", "cvt", (EIGHT, _TWO_HALVES, _TO_EIGHT, Group({"UNPACK_B_MERGE_C": ""}), _RELU)),
                 Row("d I", "cvt", (_TWO_HALVES, EIGHT, Group({"UNPACK_B": ""}), _RELU, _flag("H1", 2)))],
        # Conversions
        "I2F": [Row("", "sass.i2f", (FORMAT, INTEGER, ROUNDING))],
        "I2FP": [Row("", "sass.i2f", (Group({"F32": "f32"}), INTEGER, ROUNDING))],
        "F2I": [Row("", "sass.f2i", (INTEGER, FORMAT, TO_INTEGER, FTZ, _flag("NTZ", 8)))],
        "F2F": [Row("", "sass.f2f", (FORMAT, FORMAT, ROUNDING, FTZ))],
        "FRND": [Row("", "sass.frnd", (FORMAT, TO_INTEGER, FTZ))],
        # Between lanes, and from them to the uniform datapath
        "VOTE": [Row("d? q? p", "sass.vote", (Group({"ANY": "any", "ALL": "all", "EQ": "eq"}),))],
        "VOTEU": [Row("d? q? p", "sass.voteu", (Group({"ANY": "any", "ALL": "all", "EQ": "eq"}),))],
        "R2UR": [Row("q? d I", "sass.r2ur", ignored=frozenset({"OR", "FILL"}))],
        "B2R": [Row("d q?", "sass.b2r", (Group({"RESULT": ""}),))],
        "BREAK": [Row("B p=T", "sass.break", ignored=frozenset({"RELIABLE", "RELATIVE"}))],
        "BPT": [Row("m", "sass.trap", (Group({"TRAP": "", "INT": ""}),))],
    }
)  # fmt: skip

UNIFORM = {
    "UMOV": "MOV", "USEL": "SEL", "UIADD3": "IADD3", "UIMAD": "IMAD", "ULEA": "LEA", "ULOP3": "LOP3", "USHF": "SHF",
    "UPRMT": "PRMT", "USGXT": "SGXT", "UBMSK": "BMSK", "UPOPC": "POPC", "UBREV": "BREV", "UFLO": "FLO",
    "UPLOP3": "PLOP3", "UISETP": "ISETP", "UP2R": "P2R", "UP2UR": "P2R", "UIABS": "IABS",
    # since sm_100
    "UIADD": "IADD", "UVIADD": "VIADD", "UIMNMX": "IMNMX", "UVIMNMX": "VIMNMX", "UI2F": "I2F", "UI2FP": "I2FP",
    "UF2I": "F2I", "UF2F": "F2F", "UFRND": "FRND", "UF2FP": "F2FP", "UFADD": "FADD", "UFMUL": "FMUL", "UFFMA": "FFMA",
    "UFMNMX": "FMNMX", "UFSEL": "FSEL", "UFSETP": "FSETP", "UFSET": "FSET",
}  # fmt: skip
"""Opcodes of the uniform datapath, which do what another does, once for the warp."""

NOTHING = frozenset({"NOP", "ERRBAR", "CGAERRBAR", "ENDCOLLECTIVE", "CCTL", "CCTLL", "PREEXIT", "ACQBULK"})
"""Opcodes without a result here: scheduling, and caches that are not modelled."""

NOT_RUN = {
    "tensor memory and its products (tcgen05)": ("UTC", "LDTM", "STTM"),
    "the tensor memory accelerator": ("UTMA", "UBLK"),
    "wgmma": ("HGMMA", "QGMMA", "IGMMA", "BGMMA", "WARPGROUP"),
    "clusters": ("UCGABAR", "ATOMAS", "REDAS"),
    "textures and surfaces": ("TEX", "TLD", "TXQ", "SULD", "SUST", "SUATOM", "SURED"),
}  # fmt: skip
"""What the simulator leaves out → how the opcodes of it begin."""

SPECIALS = {
    "SR_TID.X": "THREAD_X", "SR_TID.Y": "THREAD_Y", "SR_TID.Z": "THREAD_Z", "SR_CTAID.X": "BLOCK_X",
    "SR_CTAID.Y": "BLOCK_Y", "SR_CTAID.Z": "BLOCK_Z", "SR_LANEID": "LANE", "SR_EQMASK": "LANE_BIT",
    "SR_LTMASK": "LANES_BELOW", "SR_LEMASK": "LANES_UP_TO", "SR_GTMASK": "LANES_ABOVE", "SR_GEMASK": "LANES_FROM",
    "SR_VIRTUALSMID": "MULTIPROCESSOR", "SR_SMEMSZ": "SHARED_BYTES", "SR_NTID": "THREADS_X",
}  # fmt: skip
"""Special registers that are rows of the file."""
