"""The order of the house, left to right: a room may import from itself and from what stands before it."""

LINE = (
    (
        "workbench.declare",
        "workbench.problem",
        "workbench.foreign",
        "workbench.user_modules",
        "workbench.durable",
        "workbench.temporary",
        "workbench.stdout",
        "workbench.axes",
        "workbench.quantity",
        "workbench.arguments",
        "workbench.dtypes",
        "workbench.devices",
        "workbench.limits",
        "workbench.store.record",
    ),
    ("workbench.steps",),
    ("workbench.declared", "workbench.host_steps"),
    ("workbench.catalog", "workbench.experiments"),
    ("workbench.compile",),
    ("workbench.simulate",),
    ("workbench.execute",),
    ("workbench.check",),
    ("workbench.measure",),
    ("workbench.store",),
    ("workbench.profile",),
    ("workbench.statistics", "workbench.model"),
    ("workbench.sweep",),
    ("workbench.cluster",),
    ("workbench.views",),
    ("workbench.dispatch",),
    ("workbench.show",),
    ("workbench.distributed", "workbench.tasks"),
    ("workbench.doctor",),
    ("workbench.cli", "workbench.__main__", "dashboard"),
)
"""Rooms of one tuple stand side by side. The longest name that fits a module is its room."""

KERNELS_MAY_IMPORT = ("workbench.declare",)
"""All that a kernel folder needs of the workbench."""

LAYERS = "kernel_variants.modules"
LAYERS_MAY_IMPORT = (*KERNELS_MAY_IMPORT, "workbench.dispatch", "workbench.problem")
"""The one part of the kernels that stands on more: layers to take home choose their kernels by records."""

TASKS = "examples.tasks"
TASKS_MAY_IMPORT = ("workbench.tasks", "workbench.problem", "workbench.foreign")
"""Trainings on real data, which the workbench records."""

WORDS_OF_THE_SUBJECT = ("gru", "lstm", "rnn", "recurrent", "hidden state")
"""What the workbench, which measures kernels of any kind, has no word for."""
