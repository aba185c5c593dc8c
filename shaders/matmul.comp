#version 450
// matmul: C[k] (+)= op(A[k])·op(B[k]) (+ bias[k]) for models k side by side. One workgroup per 32×32 tile of C.
// op(A) is M×inner: A holds it row by row, or its transpose (inner×M) with TRANSPOSE_A; op(B) is inner×N: B holds it row by
// row, or its transpose (N×inner) with TRANSPOSE_B. Each element is one sum over 0, 1, …, inner − 1 in that order, then
// bias, then what C held. A thread keeps 4×4 elements in registers; tiles of A and B pass through shared memory, 16 of inner
// at a time, past the edges filled with 0.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "dispatch.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint TRANSPOSE_A = 0u;
layout(constant_id = 1) const uint TRANSPOSE_B = 0u;
layout(constant_id = 2) const uint ACCUMULATE = 0u;
layout(constant_id = 3) const uint BIAS = 0u;
layout(push_constant) uniform Dims {
    uint M, N, inner, models;
    uint offsetA, strideA, offsetB, strideB, offsetC, strideC, offsetBias, strideBias; // elements; stride: from model to model
};
layout(binding = 0) readonly buffer ABuf { float a[]; };       // offsetA + k·strideA + [M][inner], or [inner][M]
layout(binding = 1) readonly buffer BBuf { float b[]; };       // offsetB + k·strideB + [inner][N], or [N][inner]
layout(binding = 2) readonly buffer BiasBuf { float bias[]; }; // offsetBias + k·strideBias + [N]; read with BIAS only
layout(binding = 3) buffer CBuf { float c[]; };                // offsetC + k·strideC + [M][N]

const uint TILE = 32u;  // rows and columns of C
const uint DEPTH = 16u; // of inner at a time
const uint PITCH = 9u;  // vec4s from row to row of a shared tile: 8, and 1 so that columns lie in different banks
shared vec4 tileA[DEPTH * PITCH]; // [DEPTH][TILE/4]
shared vec4 tileB[DEPTH * PITCH];

// A tile's element (along, deep) that thread fetches in round i of 8. Where memory is contiguous along the tile's own
// side, 32 threads read 32 neighbours; where it is contiguous in inner, 8 threads read 8 neighbours of each of 4 lines, which
// lie in different banks when they are put down.
uvec2 place(bool deepIsContiguous, uint thread, uint i) {
    return deepIsContiguous ? uvec2(thread / 8u + 8u * (i / 2u), thread % 8u + 8u * (i % 2u))
                            : uvec2(thread % TILE, thread / TILE + 2u * i);
}

void main() {
    uint tilesN = (N + TILE - 1u) / TILE, tilesM = (M + TILE - 1u) / TILE;
    uint group = groupIndex(), thread = gl_LocalInvocationIndex;
    uint k = group / (tilesM * tilesN), row0 = group / tilesN % tilesM * TILE, column0 = group % tilesN * TILE;
    if (k >= models) return; // the same for all threads of the group
    uint baseA = offsetA + k * strideA, baseB = offsetB + k * strideB;
    uint rows4 = thread / 8u, columns4 = thread % 8u; // this thread's rows 4·rows4 … and columns 4·columns4 … of the tile

    vec4 sum[4];
    [[unroll]] for (uint i = 0u; i < 4u; i++) sum[i] = vec4(0.0);
    for (uint start = 0u; start < inner; start += DEPTH) {
        [[unroll]] for (uint i = 0u; i < 8u; i++) {
            uvec2 at = place(TRANSPOSE_A == 0u, thread, i);
            uint row = row0 + at.x, deep = start + at.y;
            float v = 0.0;
            if (row < M && deep < inner) v = a[baseA + (TRANSPOSE_A == 0u ? row * inner + deep : deep * M + row)];
            tileA[at.y * PITCH + at.x / 4u][at.x % 4u] = v;
        }
        [[unroll]] for (uint i = 0u; i < 8u; i++) {
            uvec2 at = place(TRANSPOSE_B != 0u, thread, i);
            uint column = column0 + at.x, deep = start + at.y;
            float v = 0.0;
            if (column < N && deep < inner) v = b[baseB + (TRANSPOSE_B == 0u ? deep * N + column : column * inner + deep)];
            tileB[at.y * PITCH + at.x / 4u][at.x % 4u] = v;
        }
        barrier();
        uint filled = min(DEPTH, (inner - start + 3u) / 4u * 4u); // a short inner, as 6 features, skips most of the zeros
        for (uint deep = 0u; deep < filled; deep += 4u) {
            [[unroll]] for (uint d = 0u; d < 4u; d++) {
                vec4 left = tileA[(deep + d) * PITCH + rows4], right = tileB[(deep + d) * PITCH + columns4];
                [[unroll]] for (uint i = 0u; i < 4u; i++) sum[i] += left[i] * right;
            }
        }
        barrier();
    }

    uint baseC = offsetC + k * strideC;
    [[unroll]] for (uint i = 0u; i < 4u; i++) {
        [[unroll]] for (uint j = 0u; j < 4u; j++) {
            uint row = row0 + 4u * rows4 + i, column = column0 + 4u * columns4 + j;
            if (row < M && column < N) {
                float v = sum[i][j];
                if (BIAS != 0u) v += bias[offsetBias + k * strideBias + column];
                uint at = baseC + row * N + column;
                if (ACCUMULATE != 0u) v += c[at];
                c[at] = v;
            }
        }
    }
}
