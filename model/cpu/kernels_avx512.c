#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512")
#endif
#include <immintrin.h>
#define VL 16
#define MR 6      // 24 of 32 registers accumulate
#define ISA _avx512
#define NAME "avx512"
#define VMIN(a, b) ((vf)_mm512_min_ps((__m512)(a), (__m512)(b)))
#define VMAX(a, b) ((vf)_mm512_max_ps((__m512)(a), (__m512)(b)))
#define VSQRT(a) ((vf)_mm512_sqrt_ps((__m512)(a)))
// A Newton step on the 14 bits that the machine guesses: a unit in the last place off at most, without a division.
static inline __attribute__((always_inline)) __m512 reciprocal(__m512 x) {
	__m512 y = _mm512_rcp14_ps(x);
	return _mm512_fmadd_ps(y, _mm512_fnmadd_ps(x, y, _mm512_set1_ps(1)), y);
}
#define RECIPROCAL(x) ((vf)reciprocal((__m512)(x)))
#define EXP2PARTS(z, r, s) do { \
	__m512 r_ = _mm512_reduce_ps((__m512)(z), 0); /* z - round(z) */ \
	s = (vf)_mm512_scalef_ps(_mm512_set1_ps(1), _mm512_sub_ps((__m512)(z), r_)); \
	r = (vf)r_; } while (0)
// 2^r for r = z - floor(z) in [0,1): minimax, 0.03 units of 2^-24 off; scalef takes 2^floor(z) from z itself.
static inline __attribute__((always_inline)) __m512 exp2_512(__m512 z) {
	__m512 r = _mm512_reduce_ps(z, 1), q = _mm512_fmadd_ps(r, _mm512_set1_ps(2.1612915e-4f), _mm512_set1_ps(1.2467847e-3f));
	q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(9.675452e-3f));
	q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(5.5485282e-2f));
	q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(2.4022931e-1f));
	q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(6.9314706e-1f));
	return _mm512_scalef_ps(_mm512_fmadd_ps(q, r, _mm512_set1_ps(1)), z);
}
#define EXP2(z) ((vf)exp2_512((__m512)(z)))
#include "generic.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
