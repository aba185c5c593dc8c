// A workgroup's tile of a product of float16, summed in float32 by cooperative matrices: shapes M × N × K are the device's, and
// come as constants. The kernel declares before it
//   MATRIX_M, MATRIX_N, MATRIX_K    the matrices' shape
//   WAVES_M, WAVES_N                subgroups of a workgroup along the rows and the columns of the tile
//   BLOCK_M, BLOCK_N                matrices of a subgroup along them
//   A_DEEP, B_DEEP                  1: the tile's lines lie along inner, as [TILE_M][DEPTH]; 0: [DEPTH][TILE_M]
// puts tiles of A and B down with placeA and placeB, calls multiply between barriers, and takes the result out of product[]
// after finish and a barrier.
#ifndef HALF_TILE_GLSL
#define HALF_TILE_GLSL
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_cooperative_matrix : require

const uint DEPTH = 32u; // of inner at a time; a multiple of MATRIX_K
const uint TILE_M = WAVES_M * BLOCK_M * MATRIX_M, TILE_N = WAVES_N * BLOCK_N * MATRIX_N;
// f16vec4s from line to line: 2 more than a line has, so that lines begin at multiples of 16 bytes in different banks.
const uint PITCH_A = (A_DEEP != 0u ? DEPTH : TILE_M) / 4u + 2u, PITCH_B = (B_DEEP != 0u ? DEPTH : TILE_N) / 4u + 2u;
const uint PITCH_P = TILE_N + 4u; // floats
shared f16vec4 tileA[(A_DEEP != 0u ? TILE_M : DEPTH) * PITCH_A];
shared f16vec4 tileB[(B_DEEP != 0u ? TILE_N : DEPTH) * PITCH_B];
shared float product[TILE_M * PITCH_P]; // [TILE_M][TILE_N]

coopmat<float, gl_ScopeSubgroup, MATRIX_M, MATRIX_N, gl_MatrixUseAccumulator> sum[BLOCK_M * BLOCK_N];

// Four neighbours along a line of the tile; what is too large for float16 becomes the largest that it can hold, and NaN stays.
f16vec4 halves(vec4 v) { return f16vec4(mix(v, clamp(v, vec4(-65504.0), vec4(65504.0)), greaterThan(abs(v), vec4(65504.0)))); }
void placeA(uint line, uint at, vec4 v) { tileA[line * PITCH_A + at / 4u] = halves(v); }
void placeB(uint line, uint at, vec4 v) { tileB[line * PITCH_B + at / 4u] = halves(v); }

void begin() {
    [[unroll]] for (uint i = 0u; i < BLOCK_M * BLOCK_N; i++) {
        sum[i] = coopmat<float, gl_ScopeSubgroup, MATRIX_M, MATRIX_N, gl_MatrixUseAccumulator>(0.0);
    }
}

void multiply() {
    uint m0 = gl_SubgroupID / WAVES_N * BLOCK_M * MATRIX_M, n0 = gl_SubgroupID % WAVES_N * BLOCK_N * MATRIX_N;
    [[unroll]] for (uint k = 0u; k < DEPTH; k += MATRIX_K) {
        coopmat<float16_t, gl_ScopeSubgroup, MATRIX_M, MATRIX_K, gl_MatrixUseA> left[BLOCK_M];
        [[unroll]] for (uint i = 0u; i < BLOCK_M; i++) {
            uint m = m0 + i * MATRIX_M;
            if (A_DEEP != 0u) coopMatLoad(left[i], tileA, m * PITCH_A + k / 4u, PITCH_A, gl_CooperativeMatrixLayoutRowMajor);
            else coopMatLoad(left[i], tileA, k * PITCH_A + m / 4u, PITCH_A, gl_CooperativeMatrixLayoutColumnMajor);
        }
        [[unroll]] for (uint j = 0u; j < BLOCK_N; j++) {
            uint n = n0 + j * MATRIX_N;
            coopmat<float16_t, gl_ScopeSubgroup, MATRIX_K, MATRIX_N, gl_MatrixUseB> right;
            if (B_DEEP != 0u) coopMatLoad(right, tileB, n * PITCH_B + k / 4u, PITCH_B, gl_CooperativeMatrixLayoutColumnMajor);
            else coopMatLoad(right, tileB, k * PITCH_B + n / 4u, PITCH_B, gl_CooperativeMatrixLayoutRowMajor);
            [[unroll]] for (uint i = 0u; i < BLOCK_M; i++) sum[i * BLOCK_N + j] = coopMatMulAdd(left[i], right, sum[i * BLOCK_N + j]);
        }
    }
}

void finish() {
    uint m0 = gl_SubgroupID / WAVES_N * BLOCK_M * MATRIX_M, n0 = gl_SubgroupID % WAVES_N * BLOCK_N * MATRIX_N;
    [[unroll]] for (uint i = 0u; i < BLOCK_M; i++) {
        [[unroll]] for (uint j = 0u; j < BLOCK_N; j++) {
            coopMatStore(sum[i * BLOCK_N + j], product, (m0 + i * MATRIX_M) * PITCH_P + n0 + j * MATRIX_N, PITCH_P, gl_CooperativeMatrixLayoutRowMajor);
        }
    }
}

#endif
