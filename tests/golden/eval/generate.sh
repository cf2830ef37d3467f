#!/usr/bin/env bash
# Makes the goldens of tests/black_box/eval.rs: a small dictionary, token ids, and the figures that torch and
# SAELens give for them. Needs a built saekit, and Python with scripts/parity/requirements.txt:
#
#     PYTHON=.venv/bin/python tests/golden/eval/generate.sh target/debug/saekit
set -euo pipefail
saekit=$(realpath "$1")
cd "$(dirname "$0")"
demo=../../../crates/saekit/demo
work=$(mktemp -d)
hook=blocks.1.hook_resid_post

"$saekit" harvest --device cpu --model $demo/model --text $demo/text/train.parquet --rows 20000 \
    --context 64 --hook $hook --out "$work/acts"
"$saekit" train --device cpu --store "$work/acts" --out "$work/run" --d-sae 96 --k 8 --batch 250 --lr 2e-3
"$saekit" export "$work/run" --format saelens --out sae --force
"$saekit" harvest --device cpu --model $demo/model --text $demo/text/heldout.parquet --rows 500 \
    --context 64 --hook $hook --out "$work/heldout"
"${PYTHON:-python3}" - "$work/heldout/tokens.parquet" >ids.jsonl <<'PYTHON'
import json, sys
import pyarrow.parquet as pq
for ids in pq.read_table(sys.argv[1])["token_ids"].to_pylist():
    print(json.dumps({"input_ids": ids}))
PYTHON
"${PYTHON:-python3}" ../../../scripts/parity/evals_check.py $demo/model sae ids.jsonl --out figures.json
