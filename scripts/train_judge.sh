#!/usr/bin/env bash
# Train the judge and the scorer of world "pocket-photos" from nothing on one CPU core, measure them on scenes they never saw,
# and put them where the package carries them: about an hour for both. Cut it anywhere and run it again: each
# stage goes on where it was. The folder for data and runs is the argument (default: runs/judge).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=${1:-runs/judge}
scripts/install train,scenes
export PATH="$PWD/.venv/bin:$PATH" OMP_NUM_THREADS=1
# Tensors of this size are otherwise given back to the system and asked for again at every step: a fifth of the time.
export MALLOC_MMAP_THRESHOLD_=2147483648 MALLOC_TRIM_THRESHOLD_=8589934592
mkdir -p "$work"

wordbrush data artwork
wordbrush data scenes --world pocket-photos --num 40000 --size 64 --seed 0 --split train --out "$work/scenes"
# Of the combinations that the models are not trained on, the judge must know that they exist.
wordbrush data scenes --world pocket-photos --num 24000 --size 64 --seed 2 --split held_out --out "$work/more"

wordbrush train judge "$work/scenes" --more-data "$work/more" --out "$work/judge" --device cpu --steps 6000 \
  --mixed-precision auto --checkpoint-every 100
wordbrush eval judge --judge "$work/judge/model" --num 2000 --seed 0 --out "$work/judge-figures"
python -m evaluation.ship --judge "$work/judge/model" --report "$work/judge-figures/judge.json"

wordbrush train text-image "$work/scenes" --out "$work/scorer" --device cpu --checkpoint-every 100
wordbrush eval scorer --scorer "$work/scorer/model" --num 640 --seed 0 --out "$work/scorer-figures"
python -m evaluation.ship --scorer "$work/scorer/model" --report "$work/scorer-figures/scorer.json"
