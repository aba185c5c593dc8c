// The instruction set every machine of this architecture has: SSE2 on amd64, NEON on arm64, plain C elsewhere.
#define VL 4
#if defined(__aarch64__)
#include <arm_neon.h>
#define MR 4      // 16 of 32 registers accumulate; 24 would spill
#define NAME "neon"
#define VMIN(a, b) ((vf)vminq_f32((float32x4_t)(a), (float32x4_t)(b)))
#define VMAX(a, b) ((vf)vmaxq_f32((float32x4_t)(a), (float32x4_t)(b)))
#define VSQRT(a) ((vf)vsqrtq_f32((float32x4_t)(a)))
#elif defined(__SSE2__)
#include <emmintrin.h>
#define MR 3
#define NAME "sse2"
#define VMIN(a, b) ((vf)_mm_min_ps((__m128)(a), (__m128)(b)))
#define VMAX(a, b) ((vf)_mm_max_ps((__m128)(a), (__m128)(b)))
#define VSQRT(a) ((vf)_mm_sqrt_ps((__m128)(a)))
#else
#define MR 3
#define NAME "plain"
#define SEL(m, a, b) ((vf)((vi)(m) & (vi)(a) | ~(vi)(m) & (vi)(b)))
#define VMIN(a, b) SEL((a) < (b), a, b)
#define VMAX(a, b) SEL((a) > (b), a, b)
#define VSQRT(a) ((vf){sqrtf((a)[0]), sqrtf((a)[1]), sqrtf((a)[2]), sqrtf((a)[3])})
#endif
#define ISA _base
#include "generic.h"
