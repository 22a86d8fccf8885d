// Copyright 2026 The pointpillars_ov_ros authors
// SPDX-License-Identifier: Apache-2.0
//
// An OpenCL layer for tests: presents an OpenCL device that runs on the CPU as an integrated Intel GPU, so that
// OpenVINO's GPU plugin accepts it. The loader (ocl-icd 2.3 or newer) puts the layer between the plugin and Intel's
// OpenCL runtime for CPUs. The runtime compiles and runs every kernel; the layer changes answers about the device and
// makes up for four differences between that runtime and a GPU driver, each explained where it is done.
//
// Environment, read once:
//   FAKE_IGPU_PLAIN     any value: hide sub-groups. The plugin then takes its reference kernels, which compile in
//                       seconds instead of minutes.
//   FAKE_IGPU_SWITCHES  a folder. A file in it switches something on for as long as it is there, in this process and in
//                       all others that look into the same folder:
//     build_ms            every build of a program takes so many ms longer (the number in the file), or until it is off
//     fail_builds         builds fail (CL_BUILD_PROGRAM_FAILURE)
//     fail_kernels        kernels do not start (CL_OUT_OF_RESOURCES); a name in the file: those with it in their name
//     no_device           the platform lists no device
//     lost_device         the device is listed, but no context can be made for it
//     log                 one line is appended for every kernel, copy and build, and for every second that a thread
//                         waits for one event: "kernel NAME", "copy BYTES", "build MS", "late 1"
#define CL_TARGET_OPENCL_VERSION 300
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#define CL_USE_DEPRECATED_OPENCL_2_0_APIS
#define CL_USE_DEPRECATED_OPENCL_2_1_APIS
#define CL_USE_DEPRECATED_OPENCL_2_2_APIS
#include <CL/cl.h>
#include <CL/cl_ext.h>
#include <CL/cl_icd.h>
#include <CL/cl_layer.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// From cl_intel_device_attribute_query and cl_intel_required_subgroup_size; older headers lack them.
enum {
    SUB_GROUP_SIZES = 0x4108,
    IP_VERSION = 0x4250,
    DEVICE_ID = 0x4251,
    NUM_SLICES = 0x4252,
    NUM_SUB_SLICES_PER_SLICE = 0x4253,
    NUM_EUS_PER_SUB_SLICE = 0x4254,
    NUM_THREADS_PER_EU = 0x4255,
    FEATURE_CAPABILITIES = 0x4256,
};

// A Tiger Lake (Xe-LP, 96 EUs): the newest architecture without matrix units, so that the plugin never calls oneDNN.
static const char DEVICE_NAME[] = "Intel(R) Iris(R) Xe Graphics (a test's, on the CPU)";
static const cl_uint TIGER_LAKE_IP = 12u << 22;  // architecture 12, release 0, revision 0
static const cl_uint TIGER_LAKE_PCI_ID = 0x9A49;
static const cl_uint SLICES = 1, SUB_SLICES = 6, EUS = 16, THREADS = 7, CLOCK_MHZ = 1300;
static const size_t MAX_WORK_GROUP = 512;
static const cl_ulong LOCAL_MEMORY_BYTES = 64 * 1024;

static const char* const SUB_GROUP_EXTENSIONS[] = {
    "cl_intel_subgroups",           "cl_intel_subgroups_char",
    "cl_intel_subgroups_short",     "cl_intel_subgroups_long",
    "cl_intel_spirv_subgroups",     "cl_intel_required_subgroup_size",
    "cl_khr_subgroup_ballot",       "cl_intel_subgroup_local_block_io",
    "cl_khr_subgroup_rotate",       "cl_khr_subgroup_non_uniform_vote",
    "cl_khr_subgroup_shuffle",      "cl_khr_subgroup_non_uniform_arithmetic",
    "cl_khr_subgroup_extended_types", "cl_khr_subgroup_shuffle_relative",
    "cl_khr_subgroup_clustered_reduce",
};
enum { NUM_HIDDEN = sizeof SUB_GROUP_EXTENSIONS / sizeof *SUB_GROUP_EXTENSIONS };

static const struct _cl_icd_dispatch* runtime;  // the functions below this layer
static struct _cl_icd_dispatch layer;           // the functions that the loader calls
static bool hides_sub_groups;
static int switches = -1;  // file descriptor of the folder; -1: there is none

// switches

static bool is_on(const char* name) { return switches >= 0 && !faccessat(switches, name, F_OK, 0); }

// Reads the first word of a switch; false where it is off.
static bool read_switch(const char* name, char* word, size_t room) {
    int file = switches < 0 ? -1 : openat(switches, name, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    ssize_t size = read(file, word, room - 1);
    close(file);
    word[size > 0 ? size : 0] = 0;
    word[strcspn(word, " \t\r\n")] = 0;
    return true;
}

static void write_log(const char* format, ...) {
    int file = is_on("log") ? openat(switches, "log", O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
    if (file < 0) return;
    va_list values;
    va_start(values, format);
    vdprintf(file, format, values);
    va_end(values);
    close(file);
}

// the device

static cl_int answer(const void* value, size_t size, size_t room, void* result, size_t* result_size) {
    if (result_size) *result_size = size;
    if (!result) return CL_SUCCESS;
    if (room < size) return CL_INVALID_VALUE;
    memcpy(result, value, size);
    return CL_SUCCESS;
}

static bool is_hidden(const char* word, size_t length) {
    for (int i = 0; i < NUM_HIDDEN; i++)
        if (strlen(SUB_GROUP_EXTENSIONS[i]) == length && !memcmp(SUB_GROUP_EXTENSIONS[i], word, length)) return true;
    return false;
}

static cl_int answer_extensions(cl_device_id device, size_t room, void* result, size_t* result_size) {
    char all[8192], shown[8192];
    cl_int error = runtime->clGetDeviceInfo(device, CL_DEVICE_EXTENSIONS, sizeof all, all, NULL);
    if (error) return error;
    char* end = shown;
    for (const char* word = all; *word; word += strspn(word, " ")) {
        size_t length = strcspn(word, " ");
        if (!(hides_sub_groups && is_hidden(word, length))) end += sprintf(end, "%.*s ", (int)length, word);
        word += length;
    }
    *end = 0;
    return answer(shown, strlen(shown) + 1, room, result, result_size);
}

static cl_int CL_API_CALL get_device_ids(cl_platform_id platform, cl_device_type type, cl_uint room,
                                         cl_device_id* devices, cl_uint* number) {
    bool asks_for_gpu = type == CL_DEVICE_TYPE_ALL || type & (CL_DEVICE_TYPE_GPU | CL_DEVICE_TYPE_DEFAULT);
    if (asks_for_gpu && !is_on("no_device"))
        return runtime->clGetDeviceIDs(platform, CL_DEVICE_TYPE_CPU, room, devices, number);
    if (number) *number = 0;
    return CL_DEVICE_NOT_FOUND;
}

static cl_int CL_API_CALL get_device_info(cl_device_id device, cl_device_info name, size_t room, void* result,
                                          size_t* result_size) {
#define ANSWER(type, ...)                                                            \
    do {                                                                             \
        const type value[] = {__VA_ARGS__};                                          \
        return answer(value, sizeof value, room, result, result_size);               \
    } while (0)
    switch (name) {
        case CL_DEVICE_TYPE: ANSWER(cl_device_type, CL_DEVICE_TYPE_GPU);
        case CL_DEVICE_NAME: return answer(DEVICE_NAME, sizeof DEVICE_NAME, room, result, result_size);
        case CL_DEVICE_EXTENSIONS: return answer_extensions(device, room, result, result_size);
        case CL_DEVICE_MAX_COMPUTE_UNITS: ANSWER(cl_uint, SLICES * SUB_SLICES * EUS);
        case CL_DEVICE_MAX_CLOCK_FREQUENCY: ANSWER(cl_uint, CLOCK_MHZ);
        case CL_DEVICE_MAX_WORK_GROUP_SIZE: ANSWER(size_t, MAX_WORK_GROUP);
        case CL_DEVICE_MAX_WORK_ITEM_SIZES: ANSWER(size_t, MAX_WORK_GROUP, MAX_WORK_GROUP, MAX_WORK_GROUP);
        case CL_DEVICE_LOCAL_MEM_SIZE: ANSWER(cl_ulong, LOCAL_MEMORY_BYTES);
        case CL_DEVICE_PARTITION_MAX_SUB_DEVICES: ANSWER(cl_uint, 0);
        case SUB_GROUP_SIZES: ANSWER(size_t, 8, 16, 32);
        case IP_VERSION: ANSWER(cl_uint, TIGER_LAKE_IP);
        case DEVICE_ID: ANSWER(cl_uint, TIGER_LAKE_PCI_ID);
        case NUM_SLICES: ANSWER(cl_uint, SLICES);
        case NUM_SUB_SLICES_PER_SLICE: ANSWER(cl_uint, SUB_SLICES);
        case NUM_EUS_PER_SUB_SLICE: ANSWER(cl_uint, EUS);
        case NUM_THREADS_PER_EU: ANSWER(cl_uint, THREADS);
        case FEATURE_CAPABILITIES: ANSWER(cl_bitfield, 0);  // neither DP4A nor DPAS
        default: return runtime->clGetDeviceInfo(device, name, room, result, result_size);
    }
#undef ANSWER
}

typedef void(CL_CALLBACK* context_notify)(const char*, const void*, size_t, void*);

static cl_context CL_API_CALL create_context(const cl_context_properties* properties, cl_uint number,
                                             const cl_device_id* devices, context_notify notify, void* data,
                                             cl_int* error) {
    if (!is_on("lost_device")) return runtime->clCreateContext(properties, number, devices, notify, data, error);
    if (error) *error = CL_DEVICE_NOT_AVAILABLE;
    return NULL;
}

static cl_context CL_API_CALL create_context_from_type(const cl_context_properties* properties, cl_device_type type,
                                                       context_notify notify, void* data, cl_int* error) {
    (void)type;
    return runtime->clCreateContextFromType(properties, CL_DEVICE_TYPE_CPU, notify, data, error);
}

// sub-groups
//
// Difference 1. A GPU numbers the items of a work-group (x fastest) and cuts that line into sub-groups. Intel's CPU
// runtime forms sub-groups along x only, so a group of 1 x 1 x 16 has 16 sub-groups of one item, and kernels that
// exchange values between lanes compute nonsense. A group is therefore started as a line of as many items. Its true
// sizes travel as the global offset, which the plugin never uses, and the preamble below redefines the functions by
// which a kernel asks where it is. An offset of 0 marks a group that was started as it is.
static const char LINEAR_IDS[] =
    "#define IGPU __attribute__((overloadable, always_inline))\n"
    "IGPU size_t igpu_local_size(uint axis) {\n"
    "  size_t size = get_global_offset(axis < 3 ? axis : 0);\n"
    "  return axis < 3 && size ? size : get_local_size(axis);\n"
    "}\n"
    "IGPU size_t igpu_local_id(uint axis) {\n"
    "  uint nx = (uint)get_global_offset(0), ny = (uint)get_global_offset(1), item = (uint)get_local_id(0);\n"
    "  if (nx == 0 || axis > 2) return get_local_id(axis);\n"
    "  if (axis == 0) return nx == 1 ? 0 : item % nx;\n"
    "  item = nx == 1 ? item : item / nx;\n"
    "  if (axis == 1) return ny == 1 ? 0 : item % ny;\n"
    "  return ny == 1 ? item : item / ny;\n"
    "}\n"
    "IGPU size_t igpu_global_id(uint axis) {\n"
    "  return get_global_offset(0) ? get_group_id(axis) * igpu_local_size(axis) + igpu_local_id(axis)\n"
    "                              : get_global_id(axis);\n"
    "}\n"
    "IGPU size_t igpu_global_size(uint axis) { return get_num_groups(axis) * igpu_local_size(axis); }\n"
    "IGPU size_t igpu_global_offset(uint axis) { return 0; }\n"
    "#define get_local_size igpu_local_size\n"
    "#define get_enqueued_local_size igpu_local_size\n"
    "#define get_local_id igpu_local_id\n"
    "#define get_global_id igpu_global_id\n"
    "#define get_global_size igpu_global_size\n"
    "#define get_global_offset igpu_global_offset\n"
    "#define reqd_work_group_size(x, y, z)\n";

// What every program begins with: hidden extensions are unknown to the preprocessor, too.
static size_t write_preamble(char* text) {
    char* end = text;
    for (int i = 0; hides_sub_groups && i < NUM_HIDDEN; i++) end += sprintf(end, "#undef %s\n", SUB_GROUP_EXTENSIONS[i]);
    end += sprintf(end, "%s#line 1\n", hides_sub_groups ? "" : LINEAR_IDS);
    return end - text;
}

static cl_program CL_API_CALL create_program(cl_context context, cl_uint number, const char** texts,
                                             const size_t* sizes, cl_int* error) {
    char preamble[4096];
    const char** all_texts = calloc(number + 1, sizeof *all_texts);
    size_t* all_sizes = calloc(number + 1, sizeof *all_sizes);
    cl_program program = NULL;
    if (all_texts && all_sizes) {
        all_texts[0] = preamble, all_sizes[0] = write_preamble(preamble);
        for (cl_uint i = 0; i < number; i++) {
            all_texts[i + 1] = texts[i];
            all_sizes[i + 1] = sizes && sizes[i] ? sizes[i] : strlen(texts[i]);
        }
        program = runtime->clCreateProgramWithSource(context, number + 1, all_texts, all_sizes, error);
    } else if (error) {
        *error = CL_OUT_OF_HOST_MEMORY;
    }
    free(all_texts);
    free(all_sizes);
    return program;
}

static bool may_start(cl_kernel kernel) {
    char name[256] = "", failing[256];
    if (!is_on("log") && !is_on("fail_kernels")) return true;
    runtime->clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, sizeof name - 1, name, NULL);
    if (read_switch("fail_kernels", failing, sizeof failing) && strstr(name, failing)) return false;
    write_log("kernel %s\n", name);
    return true;
}

static cl_int CL_API_CALL enqueue_kernel(cl_command_queue queue, cl_kernel kernel, cl_uint axes, const size_t* offset,
                                         const size_t* global, const size_t* local, cl_uint waits,
                                         const cl_event* wait_list, cl_event* event) {
    if (!may_start(kernel)) return CL_OUT_OF_RESOURCES;
    size_t items = 1, sizes[3] = {1, 1, 1}, starts[3] = {1, 1, 1};
    bool fits = local && !offset && !hides_sub_groups;
    for (cl_uint axis = 0; fits && axis < axes; axis++) {
        fits = local[axis] && global[axis] % local[axis] == 0;
        sizes[axis] = local[axis];
        starts[axis] = fits ? global[axis] / local[axis] : 0;
        items *= local[axis];
    }
    if (!fits || items == sizes[0])
        return runtime->clEnqueueNDRangeKernel(queue, kernel, axes, offset, global, local, waits, wait_list, event);
    const size_t line[3] = {items, 1, 1};
    starts[0] *= items;
    return runtime->clEnqueueNDRangeKernel(queue, kernel, 3, sizes, starts, line, waits, wait_list, event);
}

// programs

static double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e3 + now.tv_nsec * 1e-6;
}

static cl_int CL_API_CALL build_program(cl_program program, cl_uint number, const cl_device_id* devices,
                                        const char* options, void(CL_CALLBACK* notify)(cl_program, void*), void* data) {
    char delay_ms[32];
    double begin_ms = now_ms();
    if (is_on("fail_builds")) return CL_BUILD_PROGRAM_FAILURE;
    // Looked at again and again, so that a test can end the wait when what it waits for has happened.
    while (read_switch("build_ms", delay_ms, sizeof delay_ms) && now_ms() - begin_ms < strtod(delay_ms, NULL)) usleep(10000);
    cl_int error = runtime->clBuildProgram(program, number, devices, options, notify, data);
    write_log("build %.0f\n", now_ms() - begin_ms);
    return error;
}

// Difference 2. By the specification a kernel keeps its program alive; in Intel's CPU runtime it does not, and
// CL_KERNEL_PROGRAM, which the plugin asks of kernels that it clones, gives a dead handle. So each kernel that is made
// holds a reference to its program, given back with the last one to the kernel.
static pthread_mutex_t kernel_lock = PTHREAD_MUTEX_INITIALIZER;

static cl_program program_of(cl_kernel kernel) {
    cl_program program = NULL;
    return runtime->clGetKernelInfo(kernel, CL_KERNEL_PROGRAM, sizeof program, &program, NULL) ? NULL : program;
}

static cl_kernel hold_program(cl_kernel kernel) {
    cl_program program = kernel ? program_of(kernel) : NULL;
    if (program) runtime->clRetainProgram(program);
    return kernel;
}

static cl_kernel CL_API_CALL create_kernel(cl_program program, const char* name, cl_int* error) {
    return hold_program(runtime->clCreateKernel(program, name, error));
}

static cl_kernel CL_API_CALL clone_kernel(cl_kernel source, cl_int* error) {
    return hold_program(runtime->clCloneKernel(source, error));
}

static cl_int CL_API_CALL create_kernels(cl_program program, cl_uint room, cl_kernel* kernels, cl_uint* number) {
    cl_uint made = 0;
    cl_int error = runtime->clCreateKernelsInProgram(program, room, kernels, &made);
    for (cl_uint i = 0; !error && kernels && i < made; i++) hold_program(kernels[i]);
    if (!error && number) *number = made;
    return error;
}

static cl_int CL_API_CALL release_kernel(cl_kernel kernel) {
    cl_uint references = 0;
    pthread_mutex_lock(&kernel_lock);
    runtime->clGetKernelInfo(kernel, CL_KERNEL_REFERENCE_COUNT, sizeof references, &references, NULL);
    cl_program program = references == 1 ? program_of(kernel) : NULL;
    cl_int error = runtime->clReleaseKernel(kernel);
    pthread_mutex_unlock(&kernel_lock);
    if (program && !error) runtime->clReleaseProgram(program);
    return error;
}

// waiting
//
// Difference 3. In Intel's CPU runtime a thread that waits is given kernels to run, also those of another queue. With
// two streams on two cores, each of two threads came to wait for the work that the other one had taken, for ever. So
// no thread of the plugin waits inside the runtime: it flushes the queue and looks until the event is over.
//
// What runs the kernels then is the runtime's own worker, a single one on two cores. It must not be kept from its core
// by those who look, so they look less often the longer it takes. It is also called again each second, since nobody
// else would do its work if it had missed a call. Where all that is in vain, the thread does wait inside the runtime,
// which makes it do the work: a deadlock is the worst that can come of it, and no command of the tests takes that long.
enum { FIRST_PAUSE_NS = 20000, LONGEST_PAUSE_NS = 1000000, CALL_AGAIN_MS = 1000, HELP_AFTER_MS = 60000 };

static cl_int flush_queue_of(cl_event event) {
    cl_command_queue queue = NULL;
    cl_int error = runtime->clGetEventInfo(event, CL_EVENT_COMMAND_QUEUE, sizeof queue, &queue, NULL);
    return !error && queue ? runtime->clFlush(queue) : error;
}

// Hands the worker one more command of the event's queue. A second flush alone has nothing to submit.
static void call_worker(cl_event event) {
    cl_command_queue queue = NULL;
    cl_event marker = NULL;
    write_log("late 1\n");
    if (runtime->clGetEventInfo(event, CL_EVENT_COMMAND_QUEUE, sizeof queue, &queue, NULL) || !queue) return;
    if (runtime->clEnqueueMarkerWithWaitList(queue, 0, NULL, &marker)) return;
    runtime->clFlush(queue);
    runtime->clReleaseEvent(marker);
}

static cl_int await_flushed(cl_event event) {
    struct timespec pause = {.tv_nsec = FIRST_PAUSE_NS};
    double begin_ms = now_ms(), called_ms = begin_ms;
    cl_int status = CL_QUEUED;
    while (true) {
        cl_int error = runtime->clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL);
        if (error) return error;
        if (status <= CL_COMPLETE) return status < 0 ? CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST : CL_SUCCESS;
        nanosleep(&pause, NULL);
        if (pause.tv_nsec < LONGEST_PAUSE_NS) pause.tv_nsec += pause.tv_nsec / 4;
        if (now_ms() - begin_ms > HELP_AFTER_MS) {
            fprintf(stderr, "igpu_layer: no end of an event for %d s, so its runtime waits\n", HELP_AFTER_MS / 1000);
            return runtime->clWaitForEvents(1, &event);
        }
        if (now_ms() - called_ms < CALL_AGAIN_MS) continue;
        call_worker(event);
        called_ms = now_ms();
    }
}

static cl_int await(cl_event event) {
    cl_int error = flush_queue_of(event);
    return error ? error : await_flushed(event);
}

// All queues are flushed first, since an event may depend on one that comes later in the list. All events have ended
// when it returns, also if one of them failed.
static cl_int CL_API_CALL wait_for_events(cl_uint number, const cl_event* events) {
    cl_int error = number && events ? CL_SUCCESS : CL_INVALID_VALUE;
    for (cl_uint i = 0; !error && i < number; i++) error = flush_queue_of(events[i]);
    cl_int result = error;
    for (cl_uint i = 0; !error && i < number; i++) {
        cl_int failure = await_flushed(events[i]);
        if (failure) result = failure;
    }
    return result;
}

// Ends a command that was started without blocking: waits if the caller wanted that, and hands its event on.
static cl_int end_command(cl_int error, bool is_blocking, cl_event own, cl_event* event) {
    if (error) return error;
    if (is_blocking) error = await(own);
    if (event) *event = own;
    else runtime->clReleaseEvent(own);
    return error;
}

static cl_int CL_API_CALL finish(cl_command_queue queue) {
    cl_event marker = NULL;
    cl_int error = runtime->clEnqueueMarkerWithWaitList(queue, 0, NULL, &marker);
    return end_command(error, true, marker, NULL);
}

static cl_int CL_API_CALL read_buffer(cl_command_queue queue, cl_mem buffer, cl_bool is_blocking, size_t offset,
                                      size_t size, void* to, cl_uint waits, const cl_event* wait_list,
                                      cl_event* event) {
    cl_event own = NULL;
    write_log("copy %zu\n", size);
    cl_int error = runtime->clEnqueueReadBuffer(queue, buffer, CL_FALSE, offset, size, to, waits, wait_list, &own);
    return end_command(error, is_blocking, own, event);
}

static cl_int CL_API_CALL write_buffer(cl_command_queue queue, cl_mem buffer, cl_bool is_blocking, size_t offset,
                                       size_t size, const void* from, cl_uint waits, const cl_event* wait_list,
                                       cl_event* event) {
    cl_event own = NULL;
    write_log("copy %zu\n", size);
    cl_int error = runtime->clEnqueueWriteBuffer(queue, buffer, CL_FALSE, offset, size, from, waits, wait_list, &own);
    return end_command(error, is_blocking, own, event);
}

static cl_int CL_API_CALL copy_buffer(cl_command_queue queue, cl_mem from, cl_mem to, size_t from_offset,
                                      size_t to_offset, size_t size, cl_uint waits, const cl_event* wait_list,
                                      cl_event* event) {
    write_log("copy %zu\n", size);
    return runtime->clEnqueueCopyBuffer(queue, from, to, from_offset, to_offset, size, waits, wait_list, event);
}

static void* CL_API_CALL map_buffer(cl_command_queue queue, cl_mem buffer, cl_bool is_blocking, cl_map_flags flags,
                                    size_t offset, size_t size, cl_uint waits, const cl_event* wait_list,
                                    cl_event* event, cl_int* error) {
    cl_event own = NULL;
    cl_int result = CL_SUCCESS;
    void* memory =
        runtime->clEnqueueMapBuffer(queue, buffer, CL_FALSE, flags, offset, size, waits, wait_list, &own, &result);
    result = end_command(result, is_blocking, own, event);
    if (error) *error = result;
    return memory;
}

static cl_int CL_API_CALL read_image(cl_command_queue queue, cl_mem image, cl_bool is_blocking, const size_t* origin,
                                     const size_t* region, size_t row, size_t slice, void* to, cl_uint waits,
                                     const cl_event* wait_list, cl_event* event) {
    cl_event own = NULL;
    cl_int error = runtime->clEnqueueReadImage(queue, image, CL_FALSE, origin, region, row, slice, to, waits, wait_list,
                                               &own);
    return end_command(error, is_blocking, own, event);
}

static cl_int CL_API_CALL write_image(cl_command_queue queue, cl_mem image, cl_bool is_blocking, const size_t* origin,
                                      const size_t* region, size_t row, size_t slice, const void* from, cl_uint waits,
                                      const cl_event* wait_list, cl_event* event) {
    cl_event own = NULL;
    cl_int error = runtime->clEnqueueWriteImage(queue, image, CL_FALSE, origin, region, row, slice, from, waits,
                                                wait_list, &own);
    return end_command(error, is_blocking, own, event);
}

static void* CL_API_CALL map_image(cl_command_queue queue, cl_mem image, cl_bool is_blocking, cl_map_flags flags,
                                   const size_t* origin, const size_t* region, size_t* row, size_t* slice,
                                   cl_uint waits, const cl_event* wait_list, cl_event* event, cl_int* error) {
    cl_event own = NULL;
    cl_int result = CL_SUCCESS;
    void* memory = runtime->clEnqueueMapImage(queue, image, CL_FALSE, flags, origin, region, row, slice, waits,
                                              wait_list, &own, &result);
    result = end_command(result, is_blocking, own, event);
    if (error) *error = result;
    return memory;
}

// Copies between memory shared by host and device (USM) are an extension, whose functions are asked for by name.
typedef cl_int(CL_API_CALL* copy_usm_function)(cl_command_queue, cl_bool, void*, const void*, size_t, cl_uint,
                                               const cl_event*, cl_event*);
static copy_usm_function runtime_copy_usm;

static cl_int CL_API_CALL copy_usm(cl_command_queue queue, cl_bool is_blocking, void* to, const void* from, size_t size,
                                   cl_uint waits, const cl_event* wait_list, cl_event* event) {
    cl_event own = NULL;
    write_log("copy %zu\n", size);
    cl_int error = runtime_copy_usm(queue, CL_FALSE, to, from, size, waits, wait_list, &own);
    return end_command(error, is_blocking, own, event);
}

static void* CL_API_CALL get_extension_function(cl_platform_id platform, const char* name) {
    void* function = runtime->clGetExtensionFunctionAddressForPlatform(platform, name);
    if (!function || strcmp(name, "clEnqueueMemcpyINTEL")) return function;
    runtime_copy_usm = (copy_usm_function)function;
    return (void*)copy_usm;
}

// the loader

CL_API_ENTRY cl_int CL_API_CALL clGetLayerInfo(cl_layer_info name, size_t room, void* result, size_t* result_size) {
    const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
    if (name != CL_LAYER_API_VERSION) return CL_INVALID_VALUE;
    return answer(&version, sizeof version, room, result, result_size);
}

CL_API_ENTRY cl_int CL_API_CALL clInitLayer(cl_uint number, const struct _cl_icd_dispatch* target, cl_uint* layer_number,
                                            const struct _cl_icd_dispatch** layer_functions) {
    const cl_uint known = sizeof layer / sizeof(void*);
    if (!target || !layer_number || !layer_functions) return CL_INVALID_VALUE;
    const char* folder = getenv("FAKE_IGPU_SWITCHES");
    if (folder) switches = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    hides_sub_groups = getenv("FAKE_IGPU_PLAIN") != NULL;
    runtime = target;
    *layer_number = number < known ? number : known;
    memcpy(&layer, target, *layer_number * sizeof(void*));
    layer.clGetDeviceIDs = get_device_ids;
    layer.clGetDeviceInfo = get_device_info;
    layer.clCreateContext = create_context;
    layer.clCreateContextFromType = create_context_from_type;
    layer.clCreateProgramWithSource = create_program;
    layer.clBuildProgram = build_program;
    layer.clCreateKernel = create_kernel;
    layer.clCloneKernel = clone_kernel;
    layer.clCreateKernelsInProgram = create_kernels;
    layer.clReleaseKernel = release_kernel;
    layer.clEnqueueNDRangeKernel = enqueue_kernel;
    layer.clWaitForEvents = wait_for_events;
    layer.clFinish = finish;
    layer.clEnqueueReadBuffer = read_buffer;
    layer.clEnqueueWriteBuffer = write_buffer;
    layer.clEnqueueCopyBuffer = copy_buffer;
    layer.clEnqueueMapBuffer = map_buffer;
    layer.clEnqueueReadImage = read_image;
    layer.clEnqueueWriteImage = write_image;
    layer.clEnqueueMapImage = map_image;
    layer.clGetExtensionFunctionAddressForPlatform = get_extension_function;
    *layer_functions = &layer;
    return CL_SUCCESS;
}
