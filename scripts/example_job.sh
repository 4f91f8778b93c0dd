#!/usr/bin/env bash
# A small dataset in one command, on pocket: triplets, pairs, filter, export, figures. Run it again to go on after Ctrl-C.
#   scripts/example_job.sh [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
folder="${1:-data/example}"
export PATH="$PWD/.venv/bin:$PATH" OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false
wordbrush data build --config scripts/example_job.toml --out "$folder"
wordbrush data verify "$folder/pairs"
wordbrush data stats "$folder" --report "$folder/stats.png" --grid "$folder/kept.png"
