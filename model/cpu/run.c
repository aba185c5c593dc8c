#define _GNU_SOURCE
#include "kernels.h"
#include <stddef.h>
#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(_WIN32)
#include <windows.h>
#else
#include <sched.h>
#endif
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

const vk_isa *vk_isa_base(int), *vk_isa_avx2(int), *vk_isa_avx512(int);

const vk_isa *vk_isa_get(int i) {
#if defined(__x86_64__)
	__builtin_cpu_init();
	int a2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
	int a5 = a2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
	return i == 0 ? vk_isa_avx512(a5) : i == 1 ? vk_isa_avx2(a2) : i == 2 ? vk_isa_base(1) : NULL;
#else
	return i == 0 ? vk_isa_base(1) : NULL;
#endif
}

// Subnormal numbers cost some cores a hundred cycles each, and gradients far back in time are full of them: in the
// kernels they are 0, as on a GPU.
static uint64_t flush_subnormals(void) {
#if defined(__SSE2__)
	uint32_t was = _mm_getcsr();
	_mm_setcsr(was | 0x8040);
	return was;
#elif defined(__aarch64__)
	uint64_t was;
	__asm__ volatile("mrs %0, fpcr" : "=r"(was));
	__asm__ volatile("msr fpcr, %0" : : "r"(was | 1 << 24));
	return was;
#else
	return 0;
#endif
}

static void restore(uint64_t was) {
#if defined(__SSE2__)
	_mm_setcsr((uint32_t)was);
#elif defined(__aarch64__)
	__asm__ volatile("msr fpcr, %0" : : "r"(was));
#else
	(void)was;
#endif
}

static inline void relax(void) {
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

// wait sleeps while *turn is this, or at least lets others run; wake ends it for all. A thread that spun on while its
// core has other work would keep the one it waits for from running.
static void wait(uint32_t *turn, uint32_t this) {
#if defined(__linux__)
	syscall(SYS_futex, turn, FUTEX_WAIT_PRIVATE, this, NULL, NULL, 0);
#elif defined(_WIN32)
	(void)turn, (void)this;
	SwitchToThread();
#else
	(void)turn, (void)this;
	sched_yield();
#endif
}
static void wake(uint32_t *turn) {
#if defined(__linux__)
	syscall(SYS_futex, turn, FUTEX_WAKE_PRIVATE, 1 << 30, NULL, NULL, 0);
#else
	(void)turn;
#endif
}

// barrier lets all threads through when the last has come. It spins for some 50 µs, as the others are microseconds away
// when every thread has a core, and then sleeps.
static void barrier(vk_run *R) {
	uint32_t turn = __atomic_load_n(&R->turn, __ATOMIC_SEQ_CST);
	if (__atomic_add_fetch(&R->arrived, 1, __ATOMIC_SEQ_CST) == R->threads) {
		__atomic_store_n(&R->arrived, 0, __ATOMIC_SEQ_CST);
		__atomic_store_n(&R->turn, turn + 1, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&R->asleep, __ATOMIC_SEQ_CST) > 0) wake(&R->turn);
		return;
	}
	for (int i = 0; i < 1500; i++) {
		if (__atomic_load_n(&R->turn, __ATOMIC_ACQUIRE) != turn) return;
		relax();
	}
	__atomic_add_fetch(&R->asleep, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&R->turn, __ATOMIC_SEQ_CST) == turn) wait(&R->turn, turn);
	__atomic_sub_fetch(&R->asleep, 1, __ATOMIC_SEQ_CST);
}

static int64_t blocks_of(const vk_job *J, int64_t s) { return s < J->steps ? J->block[s + 1] - J->block[s] : 0; }

static int64_t lanes_of(const vk_job *J, int64_t s) {
	int64_t n = blocks_of(J, s);
	return n < J->net->lanes ? n : J->net->lanes;
}

// clipped reports whether a model has a step s, and clips its gradient.
static int clipped(const vk_job *J, int64_t s) { return lanes_of(J, s) > 0 && (J->net->clip > 0 || J->net->global_clip > 0); }

// lane adds the gradients of one lane's blocks of step s, in one phase: consecutive ones, in order.
static void lane(const vk_isa *I, const vk_job *J, int64_t s, int64_t phase, int64_t l, float *scratch) {
	int64_t n = blocks_of(J, s), lanes = lanes_of(J, s), first = J->block[s];
	for (int64_t b = n * l / lanes; b < n * (l + 1) / lanes; b++)
		I->gradient(J, first, n, first + b, phase, J->time + (uint32_t)s, J->net->grad + l * J->net->np, b > n * l / lanes, scratch);
}

static void train(const vk_isa *I, vk_run *R, int32_t thread, float *scratch) {
	int turn = 0; // which of next counts
	for (int64_t s = 0; s < R->steps; s++) {
		for (int64_t phase = 0; phase < R->phases; phase++, turn ^= 1) {
			if (thread == 0) __atomic_store_n(&R->next[turn ^ 1], 0, __ATOMIC_RELAXED); // which nobody reads since the last barrier
			for (;;) {
				int64_t i = __atomic_fetch_add(&R->next[turn], 1, __ATOMIC_RELAXED), k = 0;
				while (k < R->models && i >= lanes_of(R->jobs + k, s)) i -= lanes_of(R->jobs + k++, s);
				if (k == R->models) break;
				lane(I, R->jobs + k, s, phase, i, scratch);
			}
			barrier(R);
		}
		int clips = 0;
		for (int64_t k = 0; k < R->models; k++) {
			vk_job *J = R->jobs + k;
			int64_t lanes = lanes_of(J, s);
			int clip = J->net->clip > 0 || J->net->global_clip > 0;
			if (lanes == 0) continue;
			if (!R->update || clip) I->sum(J->net, lanes, thread, R->threads);
			else I->update(J->net, lanes, J->alpha[s], J->decay[s], thread, R->threads);
			clips |= R->update && clip;
			if (R->update && R->phases > 1 && k % R->threads == thread) I->move(J->net, J->sums, blocks_of(J, s));
		}
		if (clips) { // the norm needs all of the gradient, and, with a penalty, all parameters as they were
			barrier(R);
			for (int64_t k = thread; k < R->models; k += R->threads)
				if (clipped(R->jobs + k, s)) I->norms(R->jobs[k].net);
			barrier(R);
			for (int64_t k = 0; k < R->models; k++) {
				vk_job *J = R->jobs + k;
				if (clipped(J, s)) I->update(J->net, 0, J->alpha[s], J->decay[s], thread, R->threads);
			}
		}
		// One thread looks whether to stop, before the barrier after which the others see it.
		if (thread == 0) {
			R->done = s + 1;
			if (R->count) __atomic_fetch_add(R->count, 1, __ATOMIC_RELAXED);
			if (__atomic_load_n(R->stop, __ATOMIC_RELAXED)) R->steps = s + 1;
		}
		barrier(R);
	}
}

static void evaluate(const vk_isa *I, vk_run *R, float *scratch) {
	while (!__atomic_load_n(R->stop, __ATOMIC_RELAXED)) {
		int64_t i = __atomic_fetch_add(&R->next[0], 1, __ATOMIC_RELAXED), k = 0;
		while (k < R->models && i >= blocks_of(R->jobs + k, 0)) i -= blocks_of(R->jobs + k++, 0);
		if (k == R->models) break;
		I->infer(R->jobs[k].net, R->jobs + k, i, scratch);
	}
}

// vk_work is one thread's share of a run.
void vk_work(const vk_isa *I, vk_run *R, int32_t thread, float *scratch) {
	uint64_t was = flush_subnormals();
	if (R->train) train(I, R, thread, scratch);
	else evaluate(I, R, scratch);
	restore(was);
}
