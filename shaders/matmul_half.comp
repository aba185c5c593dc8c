#version 450
// matmul_half: C[k] (+)= A[k]ᵀ·B[k] for models k side by side, of operands rounded to float16, B times its model's scale, which
// the float32 sum is freed of. One workgroup per tile of C and part of inner, summed by cooperative matrices. A weight's
// gradient is such a product. Parts of inner are as for matmul.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
layout(local_size_x = 32, local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 32u; // WAVES_M · WAVES_N subgroups
layout(constant_id = 1) const uint MATRIX_M = 16u;
layout(constant_id = 2) const uint MATRIX_N = 16u;
layout(constant_id = 3) const uint MATRIX_K = 16u;
layout(constant_id = 4) const uint WAVES_M = 1u;
layout(constant_id = 5) const uint WAVES_N = 1u;
layout(constant_id = 6) const uint BLOCK_M = 1u;
layout(constant_id = 7) const uint BLOCK_N = 1u;
const uint A_DEEP = 0u, B_DEEP = 0u;
#include "half_tile.glsl"
layout(push_constant) uniform Dims {
    uint M, N, inner, models;                                   // M and N multiples of 4, as the offsets and strides of A and B
    uint offsetA, strideA, offsetB, strideB, offsetC, strideC;  // elements; stride: from model to model
    uint splits, span;                                          // parts of inner, and how long each is
    uint accumulate;                                            // 0 or 1
};
layout(binding = 0) readonly buffer ABuf { vec4 a[]; };          // offsetA + k·strideA + [inner][M]
layout(binding = 1) readonly buffer BBuf { vec4 b[]; };          // offsetB + k·strideB + [inner][N]
layout(binding = 2) buffer CBuf { float c[]; };                  // offsetC + (k·splits + s)·strideC + [M][N]
layout(binding = 3) readonly buffer ScaleBuf { float scale[]; }; // scale[models][2], a power of two and its inverse

const uint LOADS_A = TILE_M * DEPTH / 4u / THREADS, LOADS_B = TILE_N * DEPTH / 4u / THREADS; // vec4s that a thread fetches

void main() {
    uint tilesN = (N + TILE_N - 1u) / TILE_N, tilesM = (M + TILE_M - 1u) / TILE_M;
    uint group = groupIndex(), thread = gl_LocalInvocationIndex;
    uint part = group / (tilesM * tilesN), row0 = group / tilesN % tilesM * TILE_M, column0 = group % tilesN * TILE_N;
    uint k = part / splits;
    if (k >= models) return; // the same for all threads of the group
    uint baseA = offsetA + k * strideA, baseB = offsetB + k * strideB;
    uint start = part % splits * span, end = min(inner, start + span);
    float up = scale[2u * k];
    vec4 nextA[LOADS_A], nextB[LOADS_B];
    begin();
    // Each round fetches the next tiles, multiplies those of the round before, and puts the fetched ones down.
    for (uint next = start; ; next += DEPTH) {
        [[unroll]] for (uint i = 0u; i < LOADS_A; i++) {
            uint e = thread + i * THREADS, row = row0 + e % (TILE_M / 4u) * 4u, deep = next + e / (TILE_M / 4u);
            nextA[i] = row < M && deep < end ? a[(baseA + deep * M + row) / 4u] : vec4(0.0);
        }
        [[unroll]] for (uint i = 0u; i < LOADS_B; i++) {
            uint e = thread + i * THREADS, column = column0 + e % (TILE_N / 4u) * 4u, deep = next + e / (TILE_N / 4u);
            nextB[i] = column < N && deep < end ? b[(baseB + deep * N + column) / 4u] * up : vec4(0.0);
        }
        if (next != start) {
            multiply();
            barrier();
        }
        if (next >= end) break;
        [[unroll]] for (uint i = 0u; i < LOADS_A; i++) {
            uint e = thread + i * THREADS;
            placeA(e / (TILE_M / 4u), e % (TILE_M / 4u) * 4u, nextA[i]);
        }
        [[unroll]] for (uint i = 0u; i < LOADS_B; i++) {
            uint e = thread + i * THREADS;
            placeB(e / (TILE_N / 4u), e % (TILE_N / 4u) * 4u, nextB[i]);
        }
        barrier();
    }
    finish();
    barrier();
    float down = scale[2u * k + 1u];
    for (uint e = thread; e < TILE_M * TILE_N; e += THREADS) {
        uint row = row0 + e / TILE_N, column = column0 + e % TILE_N;
        if (row >= M || column >= N) continue;
        uint at = offsetC + part * strideC + row * N + column;
        float v = product[e / TILE_N * PITCH_P + e % TILE_N] * down;
        if (accumulate != 0u) v += c[at];
        c[at] = v;
    }
}
