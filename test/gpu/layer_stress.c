// Copyright 2026 The pointpillars_ov_ros authors
// SPDX-License-Identifier: Apache-2.0
//
// Many threads, many queues, small commands: looks for an event of igpu_layer.c's device that never ends, and for
// results that are read too early. `layer_stress THREADS SECONDS [CASE]` ends with 0 and a count of rounds, with 1 and a
// reason where a result or a status is wrong, and with 3 where a thread waits longer than PATIENCE_S.
#define CL_TARGET_OPENCL_VERSION 300
#include <CL/cl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ITEMS = 256, BYTES = ITEMS * sizeof(cl_int), MOST_THREADS = 64, PATIENCE_S = 60 };

static const char* const SOURCE =
    "__kernel void increment(__global int* values) { values[get_global_id(0)] += 1; }\n"
    "__kernel void add(__global int* sum, __global const int* values) {\n"
    "  sum[get_global_id(0)] += values[get_global_id(0)];\n"
    "}\n";

// What one thread owns: two queues, a buffer and a kernel for each, and one kernel over both buffers.
typedef struct {
    int number;
    cl_command_queue queues[2];
    cl_mem buffers[2];
    cl_kernel increments[2], add;
    unsigned seed;
    atomic_long rounds;
    const char* _Atomic doing;
} Worker;

static cl_context context;
static cl_device_id device;
static cl_program program;
static atomic_bool is_over;
static int only_case = -1;
static const size_t GLOBAL[1] = {ITEMS};

#define CHECK(call)                                                                    \
    do {                                                                               \
        cl_int check_error = (call);                                                   \
        if (check_error) fail(#call, check_error);                                     \
    } while (0)

static void fail(const char* what, long value) {
    printf("%s: %ld\n", what, value);
    fflush(stdout);
    _exit(1);
}

static void expect(const char* what, const cl_int* values, cl_int wanted) {
    for (int i = 0; i < ITEMS; i++)
        if (values[i] != wanted) fail(what, values[i]);
}

static cl_event start(Worker* own, int side, cl_kernel kernel, cl_uint waits, const cl_event* wait_list) {
    cl_event event = NULL;
    CHECK(clEnqueueNDRangeKernel(own->queues[side], kernel, 1, NULL, GLOBAL, NULL, waits, wait_list, &event));
    return event;
}

static void release(int number, cl_event* events) {
    for (int i = 0; i < number; i++) CHECK(clReleaseEvent(events[i]));
}

static void set_to(Worker* own, int side, cl_int value) {
    CHECK(clEnqueueFillBuffer(own->queues[side], own->buffers[side], &value, sizeof value, 0, BYTES, 0, NULL, NULL));
    CHECK(clFinish(own->queues[side]));
}

static void read_and_expect(Worker* own, int side, const char* what, cl_int wanted) {
    cl_int values[ITEMS];
    CHECK(clEnqueueReadBuffer(own->queues[side], own->buffers[side], CL_TRUE, 0, BYTES, values, 0, NULL, NULL));
    expect(what, values, wanted);
}

// Events of one queue, waited for in a list.
static void chain(Worker* own) {
    cl_int sent[ITEMS], got[ITEMS];
    cl_event events[4];
    for (int i = 0; i < ITEMS; i++) sent[i] = 40;
    CHECK(clEnqueueWriteBuffer(own->queues[0], own->buffers[0], CL_FALSE, 0, BYTES, sent, 0, NULL, &events[0]));
    events[1] = start(own, 0, own->increments[0], 1, &events[0]);
    events[2] = start(own, 0, own->increments[0], 1, &events[1]);
    CHECK(clEnqueueReadBuffer(own->queues[0], own->buffers[0], CL_FALSE, 0, BYTES, got, 1, &events[2], &events[3]));
    CHECK(clWaitForEvents(4, events));
    expect("chain", got, 42);
    release(4, events);
}

// The first event depends on the second, whose queue nobody has flushed: waiting flushes the queues of the whole list.
static void across_queues(Worker* own) {
    cl_event events[2];
    set_to(own, 0, 1);
    set_to(own, 1, 5);
    events[1] = start(own, 0, own->increments[0], 0, NULL);
    events[0] = start(own, 1, own->add, 1, &events[1]);
    CHECK(clWaitForEvents(2, events));
    read_and_expect(own, 1, "across_queues", 7);
    release(2, events);
}

// A flush follows each command here, so that both queues run while this thread goes on.
static void ping_pong(Worker* own) {
    enum { TURNS = 6 };
    cl_event events[TURNS];
    set_to(own, 0, 0);
    for (int i = 0; i < TURNS; i++) {
        events[i] = start(own, i % 2, own->increments[0], i > 0, i ? &events[i - 1] : NULL);
        CHECK(clFlush(own->queues[i % 2]));
    }
    CHECK(clWaitForEvents(1, &events[TURNS - 1]));
    read_and_expect(own, 0, "ping_pong", TURNS);
    release(TURNS, events);
}

// Commands wait for an event that the host sets after they were flushed.
static void user_event(Worker* own) {
    cl_int error = CL_SUCCESS;
    cl_event events[2] = {clCreateUserEvent(context, &error), NULL};
    CHECK(error);
    set_to(own, 0, 3);
    events[1] = start(own, 0, own->increments[0], 1, &events[0]);
    CHECK(clFlush(own->queues[0]));
    if (rand_r(&own->seed) % 2) sched_yield();
    CHECK(clSetUserEventStatus(events[0], CL_COMPLETE));
    CHECK(clWaitForEvents(2, events));
    read_and_expect(own, 0, "user_event", 4);
    release(2, events);
}

static void map(Worker* own) {
    cl_int error = CL_SUCCESS;
    set_to(own, 1, 8);
    cl_event event = start(own, 1, own->increments[1], 0, NULL);
    cl_int* values = clEnqueueMapBuffer(own->queues[1], own->buffers[1], CL_TRUE, CL_MAP_READ, 0, BYTES, 1, &event,
                                        NULL, &error);
    CHECK(error);
    expect("map", values, 9);
    CHECK(clEnqueueUnmapMemObject(own->queues[1], own->buffers[1], values, 0, NULL, NULL));
    CHECK(clFinish(own->queues[1]));
    release(1, &event);
}

// Queues and kernels come and go, and programs are built, while other threads run theirs.
static void build(Worker* own) {
    char text[512];
    const char* texts[1] = {text};
    cl_int error = CL_SUCCESS;
    snprintf(text, sizeof text, "// %d %u\n%s", own->number, rand_r(&own->seed), SOURCE);
    cl_program fresh = clCreateProgramWithSource(context, 1, texts, NULL, &error);
    CHECK(error);
    CHECK(clBuildProgram(fresh, 1, &device, "", NULL, NULL));
    cl_kernel kernel = clCreateKernel(fresh, "increment", &error);
    CHECK(error);
    CHECK(clReleaseProgram(fresh));
    cl_command_queue queue = clCreateCommandQueueWithProperties(context, device, NULL, &error);
    CHECK(error);
    CHECK(clSetKernelArg(kernel, 0, sizeof(cl_mem), &own->buffers[0]));
    CHECK(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, GLOBAL, NULL, 0, NULL, NULL));
    CHECK(clFinish(queue));
    CHECK(clReleaseKernel(kernel));
    CHECK(clReleaseCommandQueue(queue));
}

static const struct {
    const char* name;
    void (*run)(Worker*);
} CASES[] = {{"chain", chain}, {"across_queues", across_queues}, {"ping_pong", ping_pong},
             {"user_event", user_event}, {"map", map}, {"build", build}};
enum { NUM_CASES = sizeof CASES / sizeof *CASES, EVERY = 200 };

static void* work(void* data) {
    Worker* own = data;
    while (!is_over) {
        // Builds take a thousand times as long as the others.
        unsigned chosen = rand_r(&own->seed) % EVERY ? rand_r(&own->seed) % (NUM_CASES - 1) : NUM_CASES - 1;
        if (only_case >= 0) chosen = only_case;
        own->doing = CASES[chosen].name;
        CASES[chosen].run(own);
        own->rounds++;
    }
    return NULL;
}

static void open_worker(Worker* own, int number) {
    cl_int error = CL_SUCCESS;
    // In order and out of order, as the plugin makes both.
    const cl_queue_properties unordered[] = {CL_QUEUE_PROPERTIES, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, 0};
    own->number = number;
    own->seed = number + 1;
    own->doing = "nothing";
    for (int side = 0; side < 2; side++) {
        own->queues[side] = clCreateCommandQueueWithProperties(context, device, number % 2 ? unordered : NULL, &error);
        CHECK(error);
        own->buffers[side] = clCreateBuffer(context, CL_MEM_READ_WRITE, BYTES, NULL, &error);
        CHECK(error);
        own->increments[side] = clCreateKernel(program, "increment", &error);
        CHECK(error);
        CHECK(clSetKernelArg(own->increments[side], 0, sizeof(cl_mem), &own->buffers[side]));
    }
    own->add = clCreateKernel(program, "add", &error);
    CHECK(error);
    CHECK(clSetKernelArg(own->add, 0, sizeof(cl_mem), &own->buffers[1]));
    CHECK(clSetKernelArg(own->add, 1, sizeof(cl_mem), &own->buffers[0]));
}

static void open_device(void) {
    cl_int error = CL_SUCCESS;
    cl_platform_id platform;
    CHECK(clGetPlatformIDs(1, &platform, NULL));
    CHECK(clGetDeviceIDs(platform, CL_DEVICE_TYPE_GPU, 1, &device, NULL));
    context = clCreateContext(NULL, 1, &device, NULL, NULL, &error);
    CHECK(error);
    program = clCreateProgramWithSource(context, 1, (const char**)&SOURCE, NULL, &error);
    CHECK(error);
    CHECK(clBuildProgram(program, 1, &device, "", NULL, NULL));
}

// Returns the rounds of all threads; ends the process where one of them has stopped.
static long watch(Worker* workers, int number, int seconds) {
    long before[MOST_THREADS] = {0}, total = 0;
    int idle_s[MOST_THREADS] = {0};
    for (int second = 0; second < seconds; second++) {
        sleep(1);
        for (int i = 0; i < number; i++) {
            idle_s[i] = workers[i].rounds == before[i] ? idle_s[i] + 1 : 0;
            before[i] = workers[i].rounds;
            if (idle_s[i] < PATIENCE_S) continue;
            printf("thread %d: %d s in %s, after %ld rounds\n", i, PATIENCE_S, workers[i].doing, before[i]);
            fflush(stdout);
            if (getenv("LAYER_STRESS_STAYS")) pause();
            _exit(3);
        }
    }
    for (int i = 0; i < number; i++) total += workers[i].rounds;
    return total;
}

int main(int count, char** arguments) {
    static Worker workers[MOST_THREADS];
    pthread_t threads[MOST_THREADS];
    int number = count > 1 ? atoi(arguments[1]) : 8, seconds = count > 2 ? atoi(arguments[2]) : 10;
    if (number < 1 || number > MOST_THREADS) fail("THREADS", number);
    for (int i = 0; count > 3 && i < NUM_CASES; i++)
        if (!strcmp(arguments[3], CASES[i].name)) only_case = i;
    open_device();
    for (int i = 0; i < number; i++) open_worker(&workers[i], i);
    for (int i = 0; i < number; i++) pthread_create(&threads[i], NULL, work, &workers[i]);
    long total = watch(workers, number, seconds);
    is_over = true;
    printf("%ld rounds\n", total);
    fflush(stdout);
    // Not joined and not freed: what is running ends within PATIENCE_S or not at all, which watch() has looked at.
    _exit(0);
}
