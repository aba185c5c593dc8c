// Part of generic.h: what the other parts are written in. The including file of generic.h has set VL, MR and the rest.
#include "kernels.h"
#include <math.h>
#include <string.h>

#define CAT2(a, b) a##b
#define CAT(a, b) CAT2(a, b)
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#define TWO _Pragma("clang loop unroll_count(2)")
#else
#define UNROLL _Pragma("GCC unroll 8")   // without it the accumulators pass through memory
#define TWO _Pragma("GCC unroll 2")
#endif
// A loop's own counting takes turns from the multiplications: 10 % of them with AVX-512. With 16 registers, though, two
// rounds of the tile's loop at once do not fit.
#if VL == 16 || defined(__aarch64__)
#define TWICE TWO
#else
#define TWICE
#endif
#define INL static inline __attribute__((always_inline))
#define OUT static __attribute__((noinline))
#define W4 (4 * VL)   // width of a panel: four vectors
#define NC 64         // row-steps of a chunk of the weight gradient: both operands stay in the first cache
#define CHUNK (6144 / W4) // rows of a panel that are worked on at a time: 24 KiB

typedef float vf __attribute__((vector_size(VL * 4)));
typedef int32_t vi __attribute__((vector_size(VL * 4)));
typedef float vu __attribute__((vector_size(VL * 4), aligned(4), may_alias));

INL vf ld(const float *p) { return *(const vu *)p; }
INL void st(float *p, vf v) { *(vu *)p = v; }
INL vf all(float x) { return x - (vf){0}; }
INL int64_t up(int64_t n, int64_t m) { return (n + m - 1) / m * m; }
