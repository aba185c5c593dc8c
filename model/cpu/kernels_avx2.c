#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#include <immintrin.h>
#define VL 8
#define MR 3      // 12 accumulators, 3 broadcasts, 1 weight: all 16 registers
#define ISA _avx2
#define NAME "avx2"
#define VMIN(a, b) ((vf)_mm256_min_ps((__m256)(a), (__m256)(b)))
#define VMAX(a, b) ((vf)_mm256_max_ps((__m256)(a), (__m256)(b)))
#define VSQRT(a) ((vf)_mm256_sqrt_ps((__m256)(a)))
#include "generic.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
