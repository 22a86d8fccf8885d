# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# NOT BUILT YET by its authors: no builder was at hand. Please report what happens.
#
# docker build -t pointpillars_ov_ros .
# docker run --rm --net=host --ipc=host pointpillars_ov_ros machine:=cpu points:=/velodyne_points
# Without --ipc=host: --shm-size=512m, since each node takes 34 MiB of shared memory and Docker gives 64 to all.
# With an Intel GPU: --device /dev/dri --group-add $(stat -c %g /dev/dri/render*) and machine:=igpu
FROM ros:jazzy

# The driver is for Intel GPUs, which the CPU does without; the network driver of the host takes its UDP buffers from
# the host's net.core.rmem_max.
RUN apt-get update && apt-get install -y --no-install-recommends python3-pip intel-opencl-icd \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /ws
COPY package.xml src/pointpillars_ov_ros/
# pip brings the Python packages that Ubuntu has in other versions.
RUN apt-get update && rosdep update --rosdistro jazzy \
    && rosdep install --from-paths src --ignore-src -y --dependency-types=exec \
        --skip-keys "python3-jinja2 python3-matplotlib python3-numba python3-tqdm" \
    && rm -rf /var/lib/apt/lists/*
COPY requirements.txt src/pointpillars_ov_ros/
# The image is the environment; numpy 2 would not fit the messages, which Ubuntu compiled against its own.
RUN pip install --no-cache-dir --break-system-packages -r src/pointpillars_ov_ros/requirements.txt "numpy<2"

COPY . src/pointpillars_ov_ros
RUN . /opt/ros/jazzy/setup.sh && colcon build --packages-select pointpillars_ov_ros

SHELL ["/bin/bash", "-c"]
ENTRYPOINT ["/bin/bash", "-c", ". /ws/install/setup.bash && exec ros2 launch pointpillars_ov_ros detector.launch.py \"$@\"", "--"]
