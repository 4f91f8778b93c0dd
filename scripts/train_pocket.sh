#!/usr/bin/env bash
# Train pocket and pack it into DIR/pocket, which --model takes: the decoder, then the base, then the edit model from it,
# two million samples of 64 pixels each of the last two, and then 240,000 of 128 pixels: one of these costs four of the
# small ones, and what was learnt from those is not lost. On one core that computes bf16 that is about fifteen hours. Cut
# it anywhere and run it again, it goes on where it was:
#
#     scripts/train_pocket.sh DIR [--from FOLDER] [--stop-after MINUTES] [--only decoder|base|edit]
#
# --from goes on from a pocket that is there, such as editors/pocket, each of its models by itself and at 128 pixels
# alone; without it all begin from nothing. --only trains one of them: then two of them can share two cores. --stop-after saves and leaves after so
# many minutes. DIR/<model>/validation.jsonl and .png say how far each has come.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
wrong() { echo "scripts/train_pocket.sh: $1; usage: DIR [--from FOLDER] [--stop-after MINUTES] [--only decoder|base|edit]" >&2; exit 2; }
[ $# -gt 0 ] || wrong "name a folder"
work=$1 from="" minutes="" only=""
shift
while [ $# -gt 0 ]; do
  [ $# -gt 1 ] || wrong "$1 needs a value"
  case "$1" in
    --from) from=$2 ;;
    --stop-after) minutes=$2 ;;
    --only) only=$2 ;;
    *) wrong "$1 is unknown" ;;
  esac
  shift 2
done
[[ "$only" =~ ^(|decoder|base|edit)$ ]] || wrong "--only $only is none of decoder, base, edit"
[[ "$minutes" =~ ^(|[1-9][0-9]*)$ ]] || wrong "--stop-after $minutes is no whole number of minutes from 1"
[ -z "$from" ] || [ -e "$from/pocket.json" ] || wrong "--from $from is no pocket"
scripts/install train,scenes
# One process of one thread a core: on models this small, threads spend their time waiting for each other.
export PATH="$PWD/.venv/bin:$PATH" OMP_NUM_THREADS=1
# Tensors of this size are otherwise given back to the system and asked for again at every step: a fifth of the time.
export MALLOC_MMAP_THRESHOLD_=2147483648 MALLOC_TRIM_THRESHOLD_=8589934592
mkdir -p "$work"

# stage NAME TASK DATA HELD_OUT OPTIONS...: train one model as far as the time goes, and leave where it is over.
stage() {
  local name=$1 task=$2 data=$3 held_out=$4 left=()
  shift 4
  if [ -n "$only" ] && [ "$only" != "${name%-large}" ] || [ -e "$work/$name/done.json" ]; then return 0; fi
  if [ -n "$minutes" ]; then
    [ "$SECONDS" -lt $((60 * minutes)) ] || exit 0
    left=(--stop-after "$(((60 * minutes - SECONDS + 59) / 60))")
  fi
  wordbrush train "$task" "$work/$data" --out "$work/$name" --validation-data "$work/$held_out" \
    --device cpu --log-every 100 --checkpoint-every 250 --sample-every 3500 --validate-every 3500 \
    "$@" "${left[@]}"
  [ -e "$work/$name/done.json" ] || exit 0
}

wordbrush data artwork
# scenes SIZE OPTIONS...: draw what the stages of that size learn from.
scenes() { local size=$1; shift; wordbrush data scenes --size "$size" "$@"; }
scenes 64 --world pocket-photos --num 20000 --seed 4 --split train --out "$work/photos"
scenes 64 --world pocket-photos --num 1000 --seed 6 --split held_out --out "$work/photos-held-out"
if [ -z "$from" ]; then
  scenes 64 --world pocket --num 48000 --seed 0 --split train --out "$work/scenes"
  scenes 64 --world pocket --num 1000 --seed 5 --split held_out --out "$work/scenes-held-out"
  scenes 64 --world pocket-photos --num 60000 --seed 21 --split train --pairs --kinds difficult --out "$work/pairs"
  scenes 64 --world pocket-photos --num 1000 --seed 5 --split held_out --pairs --out "$work/pairs-held-out"
fi
scenes 128 --world pocket --num 24000 --seed 40 --split train --out "$work/scenes-large"
scenes 128 --world pocket --num 600 --seed 5 --split held_out --out "$work/scenes-large-held-out"
scenes 128 --world pocket-photos --num 20000 --seed 121 --split train --pairs --kinds difficult --out "$work/pairs-large"
scenes 128 --world pocket-photos --num 600 --seed 5 --split held_out --pairs --out "$work/pairs-large-held-out"

# The rate falls all the way: the edit model learned more in its last, falling 262,000 samples than in 200,000 at a
# constant rate before (held-out loss 0.1736 to 0.1633, against 0.1741 to 0.1736).
falls=(--batch-size 32 --steps 62500 --lr-warmup-steps 300 --lr-decay-steps 62200 --ema-decay 0.999)
falls_large=(--batch-size 16 --steps 15000 --lr-warmup-steps 200 --lr-decay-steps 10000 --ema-decay 0.999)
decoder=(--block-out-channels 16,32,64,96) base=(--init "$work/base") edit=(--init "$work/edit")
if [ -n "$from" ]; then decoder=(--init "$from") base=(--init "$from") edit=(--init "$from"); fi
stage decoder autoencoder photos photos-held-out "${decoder[@]}" --batch-size 32 --steps 8000 --learning-rate 0.001 \
  --lr-schedule cosine --ema-decay 0.998 --latent-noise 0.2
if [ -z "$from" ]; then
  stage base text-to-image scenes scenes-held-out --autoencoder "$work/decoder" --block-out-channels 96,192 \
    --learning-rate 0.001 "${falls[@]}"
  stage edit instruct-pix2pix pairs pairs-held-out --base "$work/base" --learning-rate 0.0008 "${falls[@]}"
fi
stage base-large text-to-image scenes-large scenes-large-held-out "${base[@]}" --learning-rate 0.0005 "${falls_large[@]}"
stage edit-large instruct-pix2pix pairs-large pairs-large-held-out "${edit[@]}" --resolution 128 \
  --learning-rate 0.0004 "${falls_large[@]}"

for name in decoder base-large edit-large; do
  [ -e "$work/$name/done.json" ] || { echo "$name is not trained yet; run this without --only."; exit 0; }
done
wordbrush train pack --autoencoder "$work/decoder" --base "$work/base-large" --edit "$work/edit-large" \
  --out "$work/pocket"
wordbrush eval pairs --num 300 --model "$work/pocket" --out "$work/figures"
