#!/bin/sh
# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
# Draws every picture of docs/images again, on this machine and with the bundled model: `make images`.
# With the folder of a demo that was played before (demo_output), that one is taken.
set -eu
cd "$(dirname "$0")/.."
tool=$PWD/.venv/bin/pointpillars_ov
images=$PWD/docs/images
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if [ $# -gt 0 ]; then
    cp -r "$1" "$scratch/demo_output"
else
    (cd "$scratch" && "$tool" demo)
fi
cp "$scratch/demo_output/birds_eye_view.png" "$images/birds_eye_view.png"
"$tool" benchmark --data "$scratch/demo_output/drive" --frames 10 --repeat 2 --mode all \
    --picture "$images/modes.png"
"$tool" benchmark --simulate config/simulations/tiger_lake_igpu.yaml --picture "$images/tiger_lake.png"
"$tool" timeline auto-batch --device "BATCH:CPU(4)" --timeout 300 --json "$scratch/b.json" --picture "$images/auto_batch.png"
"$tool" timeline auto-switch --device CPU --simulate 3:15 --cache-dir "$scratch/cache" --json "$scratch/s.json" \
    --picture "$images/auto_switch.png"
# Where they are typed, so that the pictures show no temporary folders.
(cd "$scratch" && "$tool" latency_report demo_output/bag)

# Recordings of a terminal.
cp "$scratch/demo_output/drive/velodyne/000000.bin" "$scratch/cloud.bin"
record() {
    .venv/bin/ros-run python -m docs_tools.terminal_svg "$images/$1.svg" "$2" --cwd "$scratch" --exit-codes 0 1
}
record detect "pointpillars_ov detect cloud.bin --picture detections.png"
# 1: on a machine with a GPU without its driver, for instance, it has something to say.
record doctor "pointpillars_ov doctor cloud.bin"

# The one that is a page needs a browser to be a picture.
for browser in chromium chromium-browser google-chrome; do
    if command -v $browser > /dev/null; then
        $browser --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1150,1900 \
            --user-data-dir="$scratch/profile" --screenshot="$images/latency_report.png" \
            "file://$scratch/latency_report.html" > /dev/null 2>&1
        break
    fi
done
ls -l "$images"
