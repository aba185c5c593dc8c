#version 450
// matmul: C[k] (+)= op(A[k])·op(B[k]) (+ bias[k]) for models k side by side. One workgroup per tile of C and part of inner.
// op(A) is M×inner: A holds it row by row, or its transpose (inner×M) with TRANSPOSE_A; op(B) is inner×N: B holds it row by
// row, or its transpose (N×inner) with TRANSPOSE_B. Each element is one sum over its part of inner in order, then bias, then
// what C held. With more than one part, part s of model k is written to C[k·splits + s], for split_sum to add up.
// With HALF, A is rounded to float16, and B is, times its model's scale, which the sum is freed of; the sum is float32.
// A thread keeps 4·ROWS4 × 4·COLUMNS4 elements in registers. Tiles of A and B pass through shared memory, DEPTH of inner at a
// time, past the edges filled with 0; the next tiles are fetched while these are multiplied.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "dispatch.glsl"
#include "half.glsl"
layout(local_size_x = 64, local_size_x_id = 2) in;
layout(constant_id = 0) const uint TRANSPOSE_A = 0u;
layout(constant_id = 1) const uint TRANSPOSE_B = 0u;
layout(constant_id = 2) const uint THREADS = 64u;
layout(constant_id = 3) const uint THREADS_N = 8u; // threads along the columns of a tile; the others lie along its rows
layout(constant_id = 4) const uint ROWS4 = 1u;     // vec4s of rows and of columns that a thread has
layout(constant_id = 5) const uint COLUMNS4 = 1u;
layout(constant_id = 6) const uint DEPTH = 16u;    // a multiple of 4, and of what shares the loads evenly (LOADS_A, LOADS_B)
layout(constant_id = 7) const uint VECTOR_A = 0u;  // each line of A, of B, of C starts at a multiple of 4 elements and has
layout(constant_id = 8) const uint VECTOR_B = 0u;  // a multiple of 4 of them
layout(constant_id = 9) const uint VECTOR_C = 0u;
layout(constant_id = 10) const uint HALF = 0u;
layout(push_constant) uniform Dims {
    uint M, N, inner, models;
    uint offsetA, strideA, offsetB, strideB, offsetC, strideC, offsetBias, strideBias; // elements; stride: from model to model
    uint splits, span;     // parts of inner, and how long each is: a multiple of 4
    uint accumulate, bias; // 0 or 1
};
layout(binding = 0) readonly buffer ABuf { float a[]; };       // offsetA + k·strideA + [M][inner], or [inner][M]
layout(binding = 0) readonly buffer A4Buf { vec4 a4[]; };
layout(binding = 1) readonly buffer BBuf { float b[]; };       // offsetB + k·strideB + [inner][N], or [N][inner]
layout(binding = 1) readonly buffer B4Buf { vec4 b4[]; };
layout(binding = 2) readonly buffer BiasBuf { float added[]; }; // offsetBias + k·strideBias + [N]; read with bias only
layout(binding = 3) buffer CBuf { float c[]; };                // offsetC + (k·splits + s)·strideC + [M][N]
layout(binding = 3) buffer C4Buf { vec4 c4[]; };
layout(binding = 4) readonly buffer ScaleBuf { float scale[]; }; // scale[models][2], a power of two and its inverse; read with HALF only

const uint THREADS_M = THREADS / THREADS_N;
const uint TILE_M = 4u * THREADS_M * ROWS4, TILE_N = 4u * THREADS_N * COLUMNS4;
const uint PITCH_A = TILE_M / 4u + 1u, PITCH_B = TILE_N / 4u + 1u; // vec4s: one more than a line has, so that columns lie in different banks
const uint LOADS_A = ROWS4 * DEPTH / THREADS_N, LOADS_B = COLUMNS4 * DEPTH / THREADS_M; // vec4s of a tile that a thread fetches
shared vec4 tileA[DEPTH * PITCH_A]; // [DEPTH][TILE_M/4]
shared vec4 tileB[DEPTH * PITCH_B];

// Where vec4 number e of a tile lies: its first element along the tile's own side, and in inner. Memory that is contiguous in
// inner is taken 4 deep, so that a line's DEPTH elements are read together.
uvec2 place(bool deepIsContiguous, uint e, uint side) {
    return deepIsContiguous ? uvec2(e / (DEPTH / 4u), e % (DEPTH / 4u) * 4u) : uvec2(e % (side / 4u) * 4u, e / (side / 4u));
}

// Four elements from (along, deep) on, along the side or in inner, 0 where they lie outside.
vec4 fetchA(uint base, uint along, uint deep, uint end) {
    if (VECTOR_A != 0u) {
        if (along >= M || deep >= end) return vec4(0.0);
        return a4[(base + (TRANSPOSE_A == 0u ? along * inner + deep : deep * M + along)) / 4u];
    }
    vec4 v = vec4(0.0);
    [[unroll]] for (uint i = 0u; i < 4u; i++) {
        uint x = TRANSPOSE_A == 0u ? along : along + i, d = TRANSPOSE_A == 0u ? deep + i : deep;
        if (x < M && d < end) v[i] = a[base + (TRANSPOSE_A == 0u ? x * inner + d : d * M + x)];
    }
    return v;
}

vec4 fetchB(uint base, uint along, uint deep, uint end) {
    if (VECTOR_B != 0u) {
        if (along >= N || deep >= end) return vec4(0.0);
        return b4[(base + (TRANSPOSE_B == 0u ? deep * N + along : along * inner + deep)) / 4u];
    }
    vec4 v = vec4(0.0);
    [[unroll]] for (uint i = 0u; i < 4u; i++) {
        uint x = TRANSPOSE_B != 0u ? along : along + i, d = TRANSPOSE_B != 0u ? deep + i : deep;
        if (x < N && d < end) v[i] = b[base + (TRANSPOSE_B == 0u ? d * N + x : x * inner + d)];
    }
    return v;
}

void main() {
    uint tilesN = (N + TILE_N - 1u) / TILE_N, tilesM = (M + TILE_M - 1u) / TILE_M;
    uint group = groupIndex(), thread = gl_LocalInvocationIndex;
    uint part = group / (tilesM * tilesN), row0 = group / tilesN % tilesM * TILE_M, column0 = group % tilesN * TILE_N;
    uint k = part / splits;
    if (k >= models) return; // the same for all threads of the group
    uint baseA = offsetA + k * strideA, baseB = offsetB + k * strideB;
    float scaleB = HALF != 0u ? scale[2u * k] : 1.0;
    uint start = part % splits * span, end = min(inner, start + span);
    uint threadM = thread / THREADS_N, threadN = thread % THREADS_N;

    vec4 sum[4u * ROWS4 * COLUMNS4], nextA[LOADS_A], nextB[LOADS_B];
    [[unroll]] for (uint i = 0u; i < 4u * ROWS4 * COLUMNS4; i++) sum[i] = vec4(0.0);
    // Each round fetches the next tiles, multiplies those of the round before, and puts the fetched ones down.
    for (uint next = start; ; next += DEPTH) {
        [[unroll]] for (uint i = 0u; i < LOADS_A; i++) {
            uvec2 at = place(TRANSPOSE_A == 0u, thread + i * THREADS, TILE_M);
            nextA[i] = fetchA(baseA, row0 + at.x, next + at.y, end);
            if (HALF != 0u) nextA[i] = roundedToHalf(nextA[i]);
        }
        [[unroll]] for (uint i = 0u; i < LOADS_B; i++) {
            uvec2 at = place(TRANSPOSE_B != 0u, thread + i * THREADS, TILE_N);
            nextB[i] = fetchB(baseB, column0 + at.x, next + at.y, end);
            if (HALF != 0u) nextB[i] = roundedToHalf(nextB[i] * scaleB);
        }
        if (next != start) {
            uint filled = min(DEPTH, (end - next + DEPTH + 3u) / 4u * 4u); // a short inner, as 6 features, skips most of the zeros
            for (uint deep = 0u; deep < filled; deep += 4u) {
                [[unroll]] for (uint d = 0u; d < 4u; d++) {
                    vec4 right[COLUMNS4];
                    [[unroll]] for (uint j = 0u; j < COLUMNS4; j++) right[j] = tileB[(deep + d) * PITCH_B + threadN + j * THREADS_N];
                    [[unroll]] for (uint i = 0u; i < ROWS4; i++) {
                        vec4 left = tileA[(deep + d) * PITCH_A + threadM + i * THREADS_M];
                        [[unroll]] for (uint r = 0u; r < 4u; r++) {
                            [[unroll]] for (uint j = 0u; j < COLUMNS4; j++) sum[(4u * i + r) * COLUMNS4 + j] += left[r] * right[j];
                        }
                    }
                }
            }
            barrier();
        }
        if (next >= end) break;
        [[unroll]] for (uint i = 0u; i < LOADS_A; i++) {
            uvec2 at = place(TRANSPOSE_A == 0u, thread + i * THREADS, TILE_M);
            if (TRANSPOSE_A != 0u) {
                tileA[at.y * PITCH_A + at.x / 4u] = nextA[i];
            } else {
                [[unroll]] for (uint j = 0u; j < 4u; j++) tileA[(at.y + j) * PITCH_A + at.x / 4u][at.x % 4u] = nextA[i][j];
            }
        }
        [[unroll]] for (uint i = 0u; i < LOADS_B; i++) {
            uvec2 at = place(TRANSPOSE_B != 0u, thread + i * THREADS, TILE_N);
            if (TRANSPOSE_B == 0u) {
                tileB[at.y * PITCH_B + at.x / 4u] = nextB[i];
            } else {
                [[unroll]] for (uint j = 0u; j < 4u; j++) tileB[(at.y + j) * PITCH_B + at.x / 4u][at.x % 4u] = nextB[i][j];
            }
        }
        barrier();
    }

    uint baseC = offsetC + part * strideC, baseBias = offsetBias + k * strideBias;
    [[unroll]] for (uint j = 0u; j < COLUMNS4; j++) {
        uint column = column0 + 4u * (threadN + j * THREADS_N);
        vec4 add = vec4(0.0);
        if (bias != 0u) {
            [[unroll]] for (uint n = 0u; n < 4u; n++) {
                if (column + n < N) add[n] = added[baseBias + column + n];
            }
        }
        [[unroll]] for (uint i = 0u; i < 4u * ROWS4; i++) {
            uint row = row0 + 4u * (threadM + i / 4u * THREADS_M) + i % 4u, at = baseC + row * N + column;
            vec4 v = sum[i * COLUMNS4 + j];
            if (HALF != 0u) v *= scale[2u * k + 1u];
            if (bias != 0u) v += add;
            if (row < M && VECTOR_C != 0u && column < N) {
                if (accumulate != 0u) v += c4[at / 4u];
                c4[at / 4u] = v;
            }
            if (row < M && VECTOR_C == 0u) {
                [[unroll]] for (uint n = 0u; n < 4u; n++) {
                    if (column + n < N) {
                        if (accumulate != 0u) v[n] += c[at + n];
                        c[at + n] = v[n];
                    }
                }
            }
        }
    }
}
