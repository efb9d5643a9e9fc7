"""Control flow, and what lanes, warps and blocks do together: branches, calls, barriers, shuffles, matrices, copies."""

from __future__ import annotations

import re
from collections.abc import Callable

from workbench.simulate.program import ABSENT, Flow, Order, Scope, Space
from workbench.simulate.ptx import memory
from workbench.simulate.ptx.draft import Operand, Virtual
from workbench.simulate.ptx.fragments import fragments
from workbench.simulate.ptx.lower import Frame, Lowering, Parameter
from workbench.simulate.ptx.memory import HINTS, ORDERS, SCOPES, SPACES, fields_of, need, parameter_of, vector
from workbench.simulate.ptx.reader import Declared, Statement

DEEPEST_CALL = 24
REDUCTIONS = {"popc": 1, "and": 2, "or": 3}
"""As in machine/program.h."""


def branch(low: Lowering, statement: Statement) -> None:
    if statement.opcode not in ("bra", "bra.uni"):
        raise low.unknown()
    need(low, statement, 1)
    low.emit(None, flow=Flow.BRANCH, target=low.target(statement.operands[0]))


def branch_by_index(low: Lowering, statement: Statement) -> None:
    """brx.idx: compared with each index in turn, as the machine's branches have one target."""
    if statement.opcode not in ("brx.idx", "brx.idx.uni"):
        raise low.unknown()
    need(low, statement, 2)
    index = low.source(statement.operands[0], "u32")
    scope, targets = statement.scope, None
    while targets is None and scope is not None:
        targets, scope = scope.targets.get(statement.operands[1]), scope.parent  # type: ignore[assignment]
    if targets is None:
        raise low.refuse(f"no list of targets {statement.operands[1]}")
    if statement.guard:
        raise low.refuse("a guarded brx.idx is not simulated")
    for number, name in enumerate(targets):
        hit = Virtual(0)
        low.emit("setp.eq.u32", hit, ABSENT, index, low.file.constant(number), written=(0,))
        low.emit(None, flow=Flow.BRANCH, target=low.target(name), guard=hit)


def leave(low: Lowering, statement: Statement) -> None:
    """ret and exit. A function that was called goes on behind its call."""
    if statement.opcode not in ("ret", "ret.uni", "exit"):
        raise low.unknown()
    need(low, statement, 0)
    if low.frame.caller is None or statement.opcode == "exit":
        low.emit(None, flow=Flow.EXIT)
    else:
        low.emit(None, flow=Flow.BRANCH, target=low.frame.end)


def call(low: Lowering, statement: Statement) -> None:
    """A call of a function of the module: its body, in a frame of its own."""
    operands = list(statement.operands)
    if statement.opcode not in ("call", "call.uni") or not operands:
        raise low.unknown()
    returns = _listed(operands.pop(0)) if operands[0].startswith("(") else []
    name = operands.pop(0) if operands else ""
    given = _listed(operands[0]) if operands and operands[0].startswith("(") else []
    if statement.guard:
        raise low.refuse("a guarded call is not simulated")
    if name == "vprintf":
        _printf(low, returns)
        return
    if name == "__assertfail":
        low.emit("assert.fail")
        return
    function = low.text.functions.get(name)
    if function is None or function.body is None:
        raise low.refuse(f"a call of {name or 'nothing'}, which has no body here, is not simulated")
    if len(given) != len(function.parameters) or len(returns) != len(function.returns):
        raise low.refuse(f"the call of {name} does not fit its declaration")
    frame = Frame(function, low.frame)
    if frame.depth > DEEPEST_CALL:
        raise low.refuse(f"calls nest deeper than {DEEPEST_CALL} ({name}): recursion is not simulated")
    for text, declared in zip(given + returns, function.parameters + function.returns, strict=True):
        frame.parameters[declared.name] = _argument(low, text, declared)
    assert low.statement is not None
    low.body(frame, LOWERINGS)
    low.statement = statement


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.strip("()").split(",") if part.strip()]


def _argument(low: Lowering, text: str, declared: Declared) -> Parameter:
    variable = low.variable(text)
    if variable is None or variable.space != "param":
        raise low.refuse(f"argument {text} of a call is no parameter variable")
    if variable.size < declared.size:
        raise low.refuse(f"argument {text} is smaller than parameter {declared.name}")
    return parameter_of(low, text, variable.size)


def _printf(low: Lowering, returns: list[str]) -> None:
    note = "printf prints nothing here"
    if note not in low.notes:
        low.notes.append(note)
    for name in returns:
        variable = low.variable(name)
        if variable is not None:
            words = parameter_of(low, name, variable.size).words
            low.emit("mov.b32", words[0], low.file.constant(0), written=(0,))


def trap(low: Lowering, statement: Statement) -> None:
    need(low, statement, 0)
    low.emit("trap")


def nothing(low: Lowering, statement: Statement) -> None:
    """What changes no value: prefetches, hints to the scheduler."""
    low.emit("nothing")


def pause(low: Lowering, statement: Statement) -> None:
    need(low, statement, 1)
    low.emit(None, flow=Flow.PAUSE)


def barrier(low: Lowering, statement: Statement) -> None:
    words = [word for word in statement.opcode.split(".")[1:] if word not in ("cta", "aligned")]
    operands = list(statement.operands)
    if words[:1] == ["warp"]:
        if words != ["warp", "sync"]:
            raise low.unknown()
        need(low, statement, 1)
        low.emit(None, *[ABSENT] * 4, low.source(operands[0], "b32"), flow=Flow.WARP_SYNC)
        return
    target: list[Operand] = []
    source: Operand = ABSENT
    form, reduction = None, 0
    if words[:1] == ["red"]:
        operation = ".".join(words[1:])
        if operation not in ("popc.u32", "and.pred", "or.pred") or len(operands) not in (3, 4):
            raise low.unknown()
        name = operands.pop(0)
        target = [low.destination(name, "u32") if words[1] == "popc" else low.predicate(name)]
        source = low.predicate_source(operands.pop())
        form, reduction = "bar.red.row" if words[1] == "popc" else "bar.red.predicate", REDUCTIONS[words[1]]
    elif words not in (["sync"], ["arrive"]):
        raise low.unknown()
    if len(operands) not in (1, 2) or (words == ["arrive"] and len(operands) != 2):
        raise low.refuse(f"{statement.opcode} with {len(operands)} operands")
    number = ABSENT if operands[0] == "0" else low.source(operands[0], "u32")
    threads = low.source(operands[1], "u32") if len(operands) == 2 else ABSENT
    low.emit(
        form, number, threads, source, *target, written=(3,) if target else (), flow=Flow.BLOCK_BARRIER,
        immediate=int(words == ["arrive"]), variant=reduction,
    )  # fmt: skip


def shuffle(low: Lowering, statement: Statement) -> None:
    found = re.fullmatch(r"shfl\.sync\.(up|down|bfly|idx)\.b32", statement.opcode)
    if found is None:
        raise low.unknown()
    need(low, statement, 5)
    target, _, held = statement.operands[0].partition("|")
    sources = [low.source(text, "b32") for text in statement.operands[1:]]
    low.emit(
        f"shfl.{found[1]}", low.destination(target.strip(), "b32", sink=True), *sources,
        low.predicate(held.strip()) if held.strip() not in ("", "_") else ABSENT, written=(0, 5), flow=Flow.WARP_SYNC,
    )  # fmt: skip


def vote(low: Lowering, statement: Statement) -> None:
    need(low, statement, 3)
    target, source, members = statement.operands
    if statement.opcode == "vote.sync.ballot.b32":
        low.emit("vote.any", ABSENT, low.predicate_source(source), low.destination(target, "b32"), ABSENT,
                 low.source(members, "b32"), written=(2,), flow=Flow.WARP_SYNC)  # fmt: skip
        return
    found = re.fullmatch(r"vote\.sync\.(any|all|uni)\.pred", statement.opcode)
    if found is None:
        raise low.unknown()
    low.emit(f"vote.{found[1]}", low.predicate(target), low.predicate_source(source), ABSENT, ABSENT,
             low.source(members, "b32"), written=(0,), flow=Flow.WARP_SYNC)  # fmt: skip


def active_mask(low: Lowering, statement: Statement) -> None:
    need(low, statement, 1)
    low.emit("activemask", low.destination(statement.operands[0], "b32"), written=(0,))


def match(low: Lowering, statement: Statement) -> None:
    found = re.fullmatch(r"match\.(any|all)\.sync\.(b32|b64)", statement.opcode)
    if found is None:
        raise low.unknown()
    need(low, statement, 3)
    target, _, held = statement.operands[0].partition("|")
    low.emit(
        f"match.{found[1]}.{found[2]}", low.destination(target.strip(), "b32"),
        low.source(statement.operands[1], found[2]), ABSENT, ABSENT, low.source(statement.operands[2], "b32"),
        low.predicate(held.strip()) if held.strip() else ABSENT, written=(0, 5), flow=Flow.WARP_SYNC,
    )  # fmt: skip


def reduce(low: Lowering, statement: Statement) -> None:
    found = re.fullmatch(r"redux\.sync\.((?:add|min|max)\.[us]32|(?:and|or|xor)\.b32)", statement.opcode)
    if found is None:
        raise low.unknown()
    need(low, statement, 3)
    target, source, members = statement.operands
    low.emit(f"redux.{found[1]}", low.destination(target, "b32"), low.source(source, "b32"), ABSENT, ABSENT,
             low.source(members, "b32"), written=(0,), flow=Flow.WARP_SYNC)  # fmt: skip


def elect(low: Lowering, statement: Statement) -> None:
    if statement.opcode != "elect.sync":
        raise low.unknown()
    need(low, statement, 2)
    target, _, held = statement.operands[0].partition("|")
    low.emit("elect", low.destination(target.strip(), "b32", sink=True), low.predicate(held.strip()), ABSENT, ABSENT,
             low.source(statement.operands[1], "b32"), written=(0, 1), flow=Flow.WARP_SYNC)  # fmt: skip


def fence(low: Lowering, statement: Statement) -> None:
    base, *words = statement.opcode.split(".")
    if base == "membar":
        scope = {"cta": Scope.BLOCK, "gl": Scope.DEVICE, "sys": Scope.SYSTEM}.get(words[0] if len(words) == 1 else "")
        if scope is None:
            raise low.unknown()
        low.emit("fence", scope=scope, order=Order.ACQUIRE_RELEASE, variant=1)
        return
    if words[:1] == ["proxy"] or words[:1] == ["mbarrier_init"]:
        low.emit("fence", scope=Scope.BLOCK, order=Order.ACQUIRE_RELEASE, variant=2)
        return
    order = Order.ACQUIRE_RELEASE if words[0] == "sc" else ORDERS.get(words[0], Order.ACQUIRE_RELEASE)
    scope = next((SCOPES[word] for word in words if word in SCOPES), None)
    if scope is None or not set(words) <= {"sc", "acq_rel", "acquire", "release", *SCOPES}:
        raise low.unknown()
    low.emit("fence", scope=scope, order=order, variant=int("sc" in words))


def copy(low: Lowering, statement: Statement) -> None:
    opcode = statement.opcode
    if opcode == "cp.async.commit_group":
        need(low, statement, 0)
        low.emit("cp.async.commit")
    elif opcode == "cp.async.wait_group":
        need(low, statement, 1)
        low.emit("cp.async.wait_group", immediate=low.number(statement.operands[0]))
    elif opcode == "cp.async.wait_all":
        need(low, statement, 0)
        low.emit("cp.async.wait_all")
    elif found := re.fullmatch(r"cp\.async\.mbarrier\.arrive(\.noinc)?(\.shared(?:::cta)?)?\.b64", opcode):
        need(low, statement, 1)
        address = low.address(statement.operands[0])
        space = Space.SHARED if found[2] else None
        low.emit("cp.async.mbarrier.arrive", address.row, variant=int(bool(found[1])), bytes=8,
                 **fields_of(low, space, address))  # fmt: skip
    elif re.match(r"cp\.async\.c[ag]\.shared(::cta)?\.global", opcode):
        _copy(low, statement)
    else:
        raise low.unknown()


def _copy(low: Lowering, statement: Statement) -> None:
    words = statement.opcode.split(".")[5:]
    if any(not HINTS.match(word) for word in words):
        raise low.unknown()
    need(low, statement, 3, 5 if "L2::cache_hint" in words else 4)
    operands = statement.operands
    to, source = low.address(operands[0]), low.address(operands[1])
    size = low.number(operands[2])
    if size not in (4, 8, 16) or ("cg" in statement.opcode.split(".") and size != 16):
        raise low.refuse(f"{statement.opcode} copies {size} bytes")
    bytes_row: Operand = ABSENT
    ignored: Operand = ABSENT
    rest = operands[3:-1] if "L2::cache_hint" in words else operands[3:]
    if rest:
        found = low.register(rest[0])
        if found is not None and found[0].rows == 0:
            ignored = found[0]
        else:
            bytes_row = low.source(rest[0], "u32")
    low.emit(
        "cp.async", to.row, source.row, bytes_row, ignored, space=Space.SHARED, bytes=size, variant=int(to.rows == 2),
        immediate=(source.offset << 32) | (to.offset & 0xFFFFFFFF),
    )  # fmt: skip


def mbarrier(low: Lowering, statement: Statement) -> None:
    _, action, *words = statement.opcode.split(".")
    flags = {word for word in words if word not in (*SPACES, *ORDERS, *SCOPES, "b64")}
    space = Space.SHARED if {"shared", "shared::cta"} & set(words) else None
    if words[-1:] != ["b64"] or "shared::cluster" in words:
        raise low.unknown()
    # What makes an object orders nothing: others may come to it only behind a barrier of their own. Its end races with
    # no other operation on it (libcu++ ends those of a pipeline behind one lane's counter): who comes later is a fault.
    usual = {"init": Order.WEAK, "inval": Order.RELAXED}.get(action, Order.RELEASE)
    order = next((ORDERS[word] for word in words if word in ORDERS), usual)
    scope = next((SCOPES[word] for word in words if word in SCOPES), Scope.BLOCK)
    operands = list(statement.operands)

    def emit(form: str, at: str, *rest: Operand, written: tuple[int, ...] = (), variant: int = 0) -> None:
        address = low.address(at)
        low.emit(form, address.row, *rest, written=written, variant=variant, bytes=8, order=order, scope=scope,
                 **fields_of(low, space, address))  # fmt: skip

    if action == "init" and not flags:
        need(low, statement, 2)
        emit("mbarrier.init", operands[0], low.source(operands[1], "u32"))
    elif action == "inval" and not flags:
        need(low, statement, 1)
        emit("mbarrier.inval", operands[0])
    elif action in ("arrive", "arrive_drop") and flags <= {"expect_tx", "noComplete"}:
        need(low, statement, 2, 3)
        state = low.destination(operands[0], "b64", sink=True)
        last = low.source(operands[2], "u32") if len(operands) == 3 else ABSENT
        expects = "expect_tx" in flags
        if expects and last == ABSENT:
            raise low.refuse(f"{statement.opcode} without its bytes")
        emit("mbarrier.arrive", operands[1], state, ABSENT if expects else last, last if expects else ABSENT,
             written=(1,), variant=int(action == "arrive_drop"))  # fmt: skip
    elif action in ("expect_tx", "complete_tx") and not flags:
        need(low, statement, 2)
        emit("mbarrier.transaction", operands[0], ABSENT, ABSENT, low.source(operands[1], "u32"),
             variant=int(action == "complete_tx"))  # fmt: skip
    elif action in ("test_wait", "try_wait") and flags <= {"parity"}:
        need(low, statement, 3, 4 if action == "try_wait" else 3)
        parity = "parity" in flags
        state = low.source(operands[2], "u32" if parity else "b64")
        emit("mbarrier.test", operands[1], low.predicate(operands[0]), state, written=(1,), variant=int(parity))
    else:
        raise low.unknown()


def matrices(low: Lowering, statement: Statement) -> None:
    found = re.fullmatch(
        r"(ld|st)matrix\.sync\.aligned\.m8n8\.x([124])(\.trans)?(\.shared(?:::cta)?)?\.b16", statement.opcode
    )
    if found is None:
        raise low.unknown()
    need(low, statement, 2)
    loads, count = found[1] == "ld", int(found[2])
    registers, at = statement.operands if loads else reversed(statement.operands)
    address = low.address(at)
    names = vector(low, registers, count)
    rows = [low.destination(n, "b32") if loads else low.source(n, "b32") for n in names]
    low.emit(
        f"{found[1]}matrix", address.row, *rows, written=tuple(range(1, count + 1)) if loads else (), bytes=16,
        elements=count, variant=int(bool(found[3])),
        **fields_of(low, Space.SHARED if found[4] else None, address),
    )  # fmt: skip


PRODUCTS = {
    f"{shape}.row.col.{d}.{a}.{b}.{d}": (machine, registers)
    for shape, d, a, b, machine, registers in (
        *((f"m16n8k{k}", "f32", t, t, f"mma.m16n8k{k}.f32.{t}", (4, k // 4, k // 8, 4))
          for k in (8, 16) for t in ("f16", "bf16")),
        *((f"m16n8k{k}", "f16", "f16", "f16", f"mma.m16n8k{k}.f16.f16", (2, k // 4, k // 8, 2)) for k in (8, 16)),
        *((f"m16n8k{k}", "f32", "tf32", "tf32", f"mma.m16n8k{k}.f32.tf32", (4, k // 2, k // 4, 4)) for k in (4, 8)),
        *(("m16n8k32", "f32", a, b, f"mma.m16n8k32.f32.{a}.{b}", (4, 4, 2, 4))
          for a in ("e4m3", "e5m2") for b in ("e4m3", "e5m2")),
        *((f"m16n8k{k}", "s32", a, b, f"mma.m16n8k{k}.s32.{a}.{b}", (4, k // 8, k // 16, 4))
          for k in (16, 32) for a in ("s8", "u8") for b in ("s8", "u8")),
    )
}  # fmt: skip
"""Matrix products → the machine's form, and registers of D, A, B and C."""


def product(low: Lowering, statement: Statement) -> None:
    words = statement.opcode.removeprefix("mma.sync.aligned.")
    saturates = ".satfinite" in words
    known = PRODUCTS.get(words.replace(".satfinite", ""))
    if words == "m8n8k4.row.col.f64.f64.f64.f64":
        known = ("mma.m8n8k4.f64", (2, 1, 1, 2))
    if known is None or words == statement.opcode:
        raise low.unknown()
    need(low, statement, 4)
    form, counts = known
    kind = "f64" if form.endswith("f64") else "b32"
    names = [vector(low, text, count) for text, count in zip(statement.operands, counts, strict=True)]
    made = [low.destination(name, kind) for name in names[0]]
    sources = [low.source(name, kind) for part in names[1:] for name in part]
    low.emit(form, *made, *sources, written=tuple(range(len(made))), variant=int(saturates))


LOWERINGS: dict[str, Callable[[Lowering, Statement], None]] = {
    "bra": branch, "brx": branch_by_index, "ret": leave, "exit": leave, "call": call, "trap": trap,
    "prefetch": nothing, "prefetchu": nothing, "griddepcontrol": nothing, "setmaxnreg": nothing, "pmevent": nothing,
    "discard": nothing, "applypriority": nothing, "nanosleep": pause, "bar": barrier, "barrier": barrier,
    "shfl": shuffle, "vote": vote, "activemask": active_mask, "match": match, "redux": reduce, "elect": elect,
    "fence": fence, "membar": fence, "cp": copy, "mbarrier": mbarrier, "ldmatrix": matrices, "stmatrix": matrices,
    "mma": product, "wmma": fragments, "ld": memory.load, "ldu": memory.load, "st": memory.store, "atom": memory.atomic,
    "red": memory.atomic, "cvta": memory.convert_address, "isspacep": memory.is_in_space,
    "mov": memory.move,
}  # fmt: skip
"""How each opcode that is not in the table of forms is lowered, by its first word."""
