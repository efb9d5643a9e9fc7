#!/usr/bin/env bash
# Profiles the records of a selection with Nsight Compute, on a node that has torch, cuda.core and ncu and no more.
#
#   on your machine      workbench profile RUN --print-command     (writes SELECTION.json and prints its name)
#   on the node          profiles/ncu_profile.sh SELECTION.json [REPORT.ncu-rep]
#   on your machine      workbench import REPORT.ncu-rep --run RUN
#
# The node needs this checkout (or CHECKOUT=FOLDER, where this script was copied away from it). It takes from the
# environment: NCU (ncu), PYTHON (python3), CACHE (all: caches flushed before each replay; none: as in a pipeline),
# SECTIONS (comma-separated names of ncu's) and SET (one of ncu's sets, instead of sections).
set -euo pipefail

if [[ $# -lt 1 || $# -gt 2 ]]; then
    echo "usage: $0 SELECTION.json [REPORT.ncu-rep]" >&2
    exit 2
fi
selection=$1
report=${2:-$(basename "$selection" .json).ncu-rep}
NCU=${NCU:-ncu}
PYTHON=${PYTHON:-python3}
CACHE=${CACHE:-all}
SET=${SET:-}
SECTIONS=${SECTIONS:-LaunchStats,Occupancy,SpeedOfLight,SpeedOfLight_RooflineChart,ComputeWorkloadAnalysis,MemoryWorkloadAnalysis,MemoryWorkloadAnalysis_Chart,MemoryWorkloadAnalysis_Tables,SchedulerStats,WarpStateStats,InstructionStats,SourceCounters}
CHECKOUT=${CHECKOUT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}

fail() {
    echo "$0: $1" >&2
    exit 1
}
[[ -f $selection ]] || fail "$selection: no such file; workbench profile RUN --print-command writes it"
[[ -d $CHECKOUT/workbench ]] || fail "$CHECKOUT: no checkout of the workbench there; name it in CHECKOUT"
command -v "$NCU" >/dev/null || fail "$NCU: not on PATH; load the module that has Nsight Compute, or name it in NCU"
command -v "$PYTHON" >/dev/null || fail "$PYTHON: not on PATH; name it in PYTHON"
export PYTHONPATH=$CHECKOUT${PYTHONPATH:+:$PYTHONPATH}
"$PYTHON" -c 'import torch, cuda.core' || fail "torch and cuda.core are needed: pip install torch cuda-core"

# One filter a record. Push/pop ranges (a forward pass) end in a slash, start/end ranges do not. Where the nvtx package
# is missing, replay marks ranges in torch's own domain, which has no name.
mapfile -t filters < <("$PYTHON" - "$selection" <<'PY'
import importlib.util, json, sys
domain = "workbench@" if importlib.util.find_spec("nvtx") else ""
for item in json.load(open(sys.argv[1]))["items"]:
    print("--nvtx-include")
    print(domain + item["key"] + ("/" if item["pass"] == "forward" or not domain else ""))
PY
)
[[ ${#filters[@]} -gt 0 ]] || fail "$selection: holds no records"

if [[ -n $SET ]]; then
    chosen=(--set "$SET")
else
    chosen=()
    IFS=, read -ra names <<<"$SECTIONS"
    for name in "${names[@]}"; do chosen+=(--section "$name"); done
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
"$NCU" --nvtx "${filters[@]}" "${chosen[@]}" --clock-control none --cache-control "$CACHE" --replay-mode kernel \
    --target-processes all --import-source yes -f -o "$report" \
    "$PYTHON" -m workbench.profile.replay "$selection" 2>&1 | tee "$log" || status=$?

why=$("$PYTHON" -m workbench.profile.failures "$log" "$status" "$report") || fail "$why"
[[ -s $report ]] || fail "ncu left no report (exit status $status); what it said stands above"
run=$("$PYTHON" -c 'import json, sys; print(json.load(open(sys.argv[1]))["run"])' "$selection")
echo "wrote $report; bring it home: workbench import $report --run $run"
exit "$status"
