#!/usr/bin/env bash
# Train a pocket from nothing on two CPU cores, as the first version was, and pack it into the folder WORK/pocket, which
# --model takes: about two hours. The shipped version was trained longer, see its card. Cut it anywhere and run it again:
# each stage goes on where it was. The folder for data and runs is the argument (default: runs/pocket).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=${1:-runs/pocket}
scripts/install train,scenes
export PATH="$PWD/.venv/bin:$PATH" OMP_NUM_THREADS=1
mkdir -p "$work"

wordbrush data artwork
wordbrush data scenes --world small --num 16000 --size 64 --seed 0 --split train --out "$work/scenes"
wordbrush data scenes --world small --num 18000 --size 64 --seed 1 --split train --pairs --out "$work/pairs"

# Two processes of one thread each: on models this small, threads spend their time waiting for each other.
both=(torchrun --nproc-per-node 2 --module ui.cli train)
common=(--device cpu --log-every 20 --checkpoint-every 200 --sample-every 1000 --ema-decay 0.998 --lr-schedule cosine)

"${both[@]}" autoencoder "$work/scenes" --out "$work/autoencoder" "${common[@]}" \
  --steps 6000 --batch-size 4 --learning-rate 0.0015 --block-out-channels 16,32,64,96
"${both[@]}" text-to-image "$work/scenes" --out "$work/base" "${common[@]}" --autoencoder "$work/autoencoder" \
  --steps 4000 --batch-size 8 --learning-rate 0.0008 --lr-warmup-steps 200 --block-out-channels 96,192
"${both[@]}" instruct-pix2pix "$work/pairs" --out "$work/edit" "${common[@]}" --base "$work/base" \
  --steps 6400 --batch-size 8 --learning-rate 0.001 --lr-warmup-steps 200

python -m trainer.pack --autoencoder "$work/autoencoder/model" --base "$work/base/model" --edit "$work/edit/model" \
  --out "$work/pocket" \
  --recommended '{"edit": {"guidance_scale": 3, "image_guidance_scale": 1.5}, "base": {"guidance_scale": 4}}'
wordbrush eval pairs --num 300 --world small --model "$work/pocket" --out "$work/figures"
