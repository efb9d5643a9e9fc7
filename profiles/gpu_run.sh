#!/usr/bin/env bash
# Everything that only hardware can tell, on a machine with an NVIDIA GPU: tests, sweep and peers, counters, ladder.
#
#   profiles/gpu_run.sh [--wheels FOLDER] [--python PYTHON] [--name RUN | --resume RUN] [--profiles FOLDER]
#                       [--preset gpu|limit|peers|experiment] [--operations LIST|all] [--variants LIST|all]
#                       [--seconds TOTAL] [--stages LIST] [--print]
#
# Needs python3 (3.11 or later) with torch, and no network and no virtual environment. What that Python lacks comes as
# wheels in a folder, unpacked here onto PYTHONPATH for this run alone. To fetch them, where there is a network:
#
#   python3 -m pip download --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
#     --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux_2_24_x86_64 \
#     --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --platform manylinux1_x86_64 \
#     -c constraints.txt -d wheels NAME NAME…
#
#   always, 6 MB:    pydantic pydantic-core annotated-types typing-inspection typing-extensions nvtx
#   unless there, 42 MB (python3 -m pip list says; NVRTC and numpy come with torch):
#                    cuda-core cuda-bindings cuda-pathfinder nvidia-cuda-cccl nvidia-cuda-crt nvidia-cuda-runtime
#                    nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm ml-dtypes psutil pandas python-dateutil six
#                    typer click shellingham annotated-doc rich markdown-it-py mdurl pygments
#   for the tests:   pytest (and its iniconfig, pluggy, packaging, pygments), cuda-bench
#   the peers, 2 MB: accelerated-scan==0.3.1 fla-core minGRU-pytorch==0.2.1 einops     (warp also wants nvcc and ninja)
#
# pyarrow (55 MB) may stay at home: the run then comes back as JSON lines, and `workbench finish RUN` closes it there.
# So may NVIDIA's report reader: the report then lies in RUN/reports, for `workbench import REPORT --run RUN`.
#
# --preset peers is the whole row of scans that others have published, --preset experiment the layer from 64 to 65,536
# steps on this machine's GPU and CPU, --preset limit the shapes at which kernels are held against the machine's limit: a
# run each, with no tests and no counters.
#
# compute-sanitizer over every kernel takes minutes of its own: --stages sanitize.
#
# A stage that fails or runs out of its time costs itself alone. Exit status 1 where one did.
set -uo pipefail

CHECKOUT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PYTHON=python3
wheels='' run='' resume='' profiles=$CHECKOUT/profiles total=540 print=0
stages='' preset=gpu variants='' operations=''
# The rungs that end each ladder, and the peers: what fits the time. A scan's eager loop over 65,536 steps does not, nor
# do the naive rungs; `all` takes everything.
rungs=serial,ring,look_back_free,look_back_ring,serial_gated
rungs+=,gate/eager,batched,batched_vector,projection/eager
rungs+=,layer/eager,source_final,gated_serial,gated_ring,gated_look_back,epilogue_scan_tensor
rungs+=,accelerated_scan_scalar,accelerated_scan_warp,fla_hgrn,associative_scan_pointwise
rungs+=,mingru_pytorch,compiled,torch,causal_conv1d
# minGRU's parts, and what stands beside them; the scans of other cells (minlstm_scan, sru_scan…) are a run of their own.
usual=gate,scan,gated_scan,projection,layer,gru,lstm,causal_conv
# What the experiment compares: each part as it was and as it can be, and the layers made of them.
parts=gate/eager,gate/fused_shared,gate/batched,gate/batched_cpu
parts+=,scan/serial,scan/blelloch,scan/streaming,serial_gated,gated_scan/look_back_free,gated_scan/streaming
parts+=,projection/eager,projection/per_step,projection/batched
parts+=,layer/eager,per_step_fused,per_step_fused_graph,source_final,gated_serial,gated_look_back,batched_streaming
# Those that may reach the limit.
last=ring,look_back_free,gated_ring,gated_look_back
# Whose counters are read.
profiled=serial,ring,look_back_free,look_back_ring,gated_ring

usage() {
    sed -n '2,6p' "${BASH_SOURCE[0]}" >&2
    exit 2
}
fail() {
    echo "$0: $1" >&2
    exit "${2:-1}"
}
while [[ $# -gt 0 ]]; do
    case $1 in
        --print) print=1 && shift && continue ;;
        --wheels | --python | --name | --resume | --profiles | --operations | --variants | --preset | --seconds | --stages) ;;
        *) usage ;;
    esac
    [[ $# -ge 2 ]] || fail "$1: wants a value" 2
    case $1 in
        --wheels) wheels=$2 ;;
        --python) PYTHON=$2 ;;
        --name) run=$2 ;;
        --resume) run=$2 resume=$2 ;;
        --profiles) profiles=$2 ;;
        --preset) preset=$2 ;;
        --operations) operations=$2 ;;
        --variants) variants=$2 ;;
        --seconds) total=$2 ;;
        --stages) stages=$2 ;;
    esac
    shift 2
done
devices=cuda
case $preset in
    gpu) : "${variants:=$rungs}" "${stages:=tests,sweep,profile,ladder}" ;;
    limit) : "${variants:=$last}" "${stages:=sweep,ladder}" ;;
    peers) : "${variants:=$rungs}" "${stages:=sweep,ladder}" ;;
    experiment) : "${variants:=$parts}" "${stages:=sweep,ladder}" && devices=cuda,cpu ;;
    *) fail "--preset $preset: gpu, limit, peers, experiment" 2 ;;
esac
: "${operations:=$usual}"
[[ $total =~ ^[0-9]+$ && $total -ge 60 ]] || fail "--seconds $total: a whole number of seconds, 60 or more" 2
for stage in ${stages//,/ }; do
    [[ $stage =~ ^(tests|sanitize|sweep|profile|ladder)$ ]] \
        || fail "--stages $stage: tests, sanitize, sweep, profile, ladder" 2
done
[[ -z $wheels || -d $wheels ]] || fail "--wheels $wheels: no such folder"
command -v "$PYTHON" >/dev/null || fail "$PYTHON: not on PATH; name it with --python"
[[ -z $resume || -d $profiles/$resume ]] || fail "--resume $resume: no such run in $profiles"

export PYTHONPATH=$CHECKOUT${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1
if [[ -n $wheels && $print -eq 0 ]]; then
    site=$(mktemp -d)
    trap 'rm -rf "$site"' EXIT
    "$PYTHON" -m pip install --quiet --no-index --no-deps --no-compile --target "$site" "$wheels"/*.whl \
        || fail "--wheels $wheels: cannot be unpacked; pip says why above"
    # NVIDIA's packages look for their libraries and headers in site-packages alone: this folder becomes the first of them.
    cat >"$site/sitecustomize.py" <<'PY'
import os
import site

theirs, own = site.getsitepackages, os.path.dirname(os.path.abspath(__file__))
site.getsitepackages = lambda prefixes=None: [own, *theirs(prefixes)]
PY
    PYTHONPATH=$site:$PYTHONPATH
fi
if [[ $print -eq 0 ]]; then
    lacking=$("$PYTHON" -c '
import importlib.util as i
def there(name):
    try: return i.find_spec(name) is not None
    except ModuleNotFoundError: return False
names = "torch numpy cuda.core cuda.bindings ml_dtypes psutil pydantic typer rich pandas"
print(*[name for name in names.split() if not there(name)])') || fail "$PYTHON does not run"
    [[ -z $lacking ]] || fail "$PYTHON lacks $lacking; bring wheels of them: --wheels FOLDER (this script's head)"
    "$PYTHON" -c 'import sys; from workbench.execute.this_machine import gpu_name; sys.exit(not gpu_name())' \
        || fail "no NVIDIA GPU or no driver here; workbench doctor says which"
fi
if [[ -z $run ]]; then
    device=$([[ $print -eq 1 ]] && echo gpu || "$PYTHON" -c 'from workbench.execute.this_machine import gpu_name; print(gpu_name())')
    run=$(date -u +%Y%m%d-%H%M)-$(tr -cs '[:alnum:]' - <<<"${device,,}" | sed 's/-*$//')
fi
folder=$profiles/$run
has() { [[ ,$stages, == *,$1,* ]]; }
there() { [[ $print -eq 1 ]] || "$PYTHON" -c "import $1" 2>/dev/null; }
left() { echo $((total - SECONDS)); }

# limited NAME SHARE COMMAND…: no longer than SHARE seconds, nor than what is left. SIGINT lets a sweep say how to go on.
status=0
limited() {
    local name=$1 seconds=$2 rest
    shift 2
    rest=$(left)
    ((seconds < rest)) || seconds=$rest
    if [[ $print -eq 1 ]]; then
        printf '%s\t%s s\t%s\n' "$name" "$seconds" "$(printf '%q ' "$@")"
        return 0
    fi
    ((seconds > 5)) || {
        echo "== $name: no time left; go on with --resume $run" >&2
        status=1
        return 1
    }
    echo "== $name, at most $seconds s" >&2
    timeout --signal=INT --kill-after=20 "$seconds" "$@"
    local code=$?
    [[ $code -eq 0 ]] || {
        echo "== $name: exit status $code after $SECONDS s in all; --resume $run goes on" >&2
        status=1
    }
    return "$code"
}

# What a peer compiles when it is first imported: beside the tests, so that no variant's time limit pays for it.
if has sweep && [[ $print -eq 0 ]] && there accelerated_scan; then
    "$PYTHON" -c 'import accelerated_scan.warp' >/dev/null 2>&1 &
fi
if has tests && [[ -z $resume ]]; then
    if there pytest; then
        limited tests $((total / 4)) "$PYTHON" -m pytest -q -p no:cacheprovider -m gpu \
            "$CHECKOUT/tests/gpu" "$CHECKOUT/tests/modules" --ignore "$CHECKOUT/tests/gpu/test_sanitizer.py"
    else
        echo "== tests: no pytest there; bring its wheel" >&2 && status=1
    fi
fi
if has sanitize; then
    for tool in memcheck racecheck synccheck; do
        limited "$tool" $((total / 3)) compute-sanitizer --tool "$tool" --report-api-errors no \
            --error-exitcode 9 "$PYTHON" -m tests.gpu.sanitize
    done
fi
# Time for the counters and the table is kept back from the sweep.
if has sweep; then
    chosen=()
    [[ $operations == all ]] || IFS=, read -ra chosen <<<"$operations"
    [[ $variants == all ]] || chosen+=(--variants "$variants")
    if [[ -n $resume ]]; then
        again=(--resume "$run")
    else
        again=(--preset "$preset" --device "$devices" --arch sm_90 --name "$run" "${chosen[@]}")
    fi
    kept=$((total / 5))
    has profile || kept=10
    limited sweep $(($(left) - kept)) "$PYTHON" -m workbench sweep "${again[@]}" --profiles "$profiles"
fi
if has profile && [[ $print -eq 1 || -d $folder ]]; then
    budget=$(($(left) - 15))
    profile=("$PYTHON" -m workbench profile "$run" --profiles "$profiles" --variants "$profiled" --budget 8)
    if there pyarrow && there ncu_report; then
        limited profile "$budget" "${profile[@]}" --timeout "$budget"
    else
        # The selection's path is the last word of the command that would have been run.
        if [[ $print -eq 1 ]]; then
            selection=SELECTION.json
        else
            selection=$("${profile[@]}" --print-command | tail -1)
            selection=${selection##* }
            mkdir -p "$folder/reports"
        fi
        PYTHON=$PYTHON limited profile "$budget" "$CHECKOUT/profiles/ncu_profile.sh" "$selection" \
            "$folder/reports/$run.ncu-rep"
    fi
fi
if has ladder; then
    limited ladder 30 "$PYTHON" -c '
import sys
from pathlib import Path
from workbench.cli.ladder_table import print_ladder
from workbench.cli.peers_table import print_peers
from workbench.store.run_folder import open_run
run = open_run(Path(sys.argv[1]))
print_ladder(run)
print_peers(run)' "$folder"
fi
[[ $print -eq 1 ]] || echo "$folder: $(du -sk "$folder" 2>/dev/null | cut -f1) KB"
exit "$status"
