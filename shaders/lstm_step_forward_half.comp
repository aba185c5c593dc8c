#version 450
// lstm_step_forward_half: lstm_step_forward with the product of h and the recurrent kernel taken of float16 by cooperative
// matrices, and summed in float32. One workgroup per tile of rows and units, whose columns are the four gates of its units.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "activations.glsl"
layout(local_size_x = 32, local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 32u; // WAVES_M · WAVES_N subgroups
layout(constant_id = 1) const uint MATRIX_M = 16u;
layout(constant_id = 2) const uint MATRIX_N = 16u;
layout(constant_id = 3) const uint MATRIX_K = 16u;
layout(constant_id = 4) const uint WAVES_M = 1u;
layout(constant_id = 5) const uint WAVES_N = 1u;
layout(constant_id = 6) const uint BLOCK_M = 1u;
layout(constant_id = 7) const uint BLOCK_N = 1u;
const uint A_DEEP = 1u, B_DEEP = 0u;
#include "half_tile.glsl"
layout(push_constant) uniform Dims { uint K, R, T, H, t, P, offset, reverse; }; // H, P and offset, of recurrent_kernel[H][4H], are multiples of 4
layout(binding = 0) buffer GatesBuf { float gates[]; };            // gates[K][T][R][4H], blocks i|f|c|o; at t: z in, activated out
layout(binding = 1) readonly buffer RowsBuf { uint rows[]; };      // rows[K][T][R]
layout(binding = 2) readonly buffer CountBuf { uint count[]; };    // count[K][T]
layout(binding = 3) readonly buffer ParamsBuf { vec4 params4[]; }; // params[K][P]
layout(binding = 4) buffer HiddenBuf { float h[]; };               // h[K][T+1][R][H], slots as there
layout(binding = 4) buffer Hidden4Buf { vec4 h4[]; };
layout(binding = 5) buffer CellBuf { float c[]; };                 // c[K][T+1][R][H]; as h

const uint TILE_U = TILE_N / 4u; // units; column n of the tile is gate n / TILE_U of unit n % TILE_U
const uint LOADS_A = TILE_M * DEPTH / 4u / THREADS, LOADS_B = TILE_N * DEPTH / 4u / THREADS; // vec4s that a thread fetches
const uint NONE = 0xFFFFFFFFu;
shared uint rowOf[TILE_M];

void main() {
    uint tilesR = (R + TILE_M - 1u) / TILE_M, tilesU = (H + TILE_U - 1u) / TILE_U;
    uint group = groupIndex(), thread = gl_LocalInvocationIndex;
    uint k = group / (tilesR * tilesU), first = group / tilesU % tilesR * TILE_M, unit0 = group % tilesU * TILE_U;
    if (k >= K) return; // the same for all threads of the group
    uint step = k * T + t, busy = count[step];
    for (uint i = thread; i < TILE_M; i += THREADS) rowOf[i] = first + i < R ? rows[step * R + first + i] : NONE;
    barrier();

    uint before = (k * (T + 1u) + t + reverse) * R * H, recurrent = k * P + offset;
    uint end = t == (reverse != 0u ? T - 1u : 0u) || first >= busy ? 0u : H; // before the first step h is 0; a masked row needs no product
    vec4 nextA[LOADS_A], nextB[LOADS_B];
    begin();
    // Each round fetches the next tiles, multiplies those of the round before, and puts the fetched ones down.
    for (uint next = 0u; end != 0u; next += DEPTH) {
        [[unroll]] for (uint i = 0u; i < LOADS_A; i++) {
            uint e = thread + i * THREADS, at = e / (DEPTH / 4u), deep = next + e % (DEPTH / 4u) * 4u;
            nextA[i] = first + at < busy && deep < end ? h4[(before + rowOf[at] * H + deep) / 4u] : vec4(0.0);
        }
        [[unroll]] for (uint i = 0u; i < LOADS_B; i++) {
            uint e = thread + i * THREADS, column = e % (TILE_N / 4u) * 4u, deep = next + e / (TILE_N / 4u);
            uint u = unit0 + column % TILE_U;
            nextB[i] = u < H && deep < end ? params4[(recurrent + deep * 4u * H + column / TILE_U * H + u) / 4u] : vec4(0.0);
        }
        if (next != 0u) {
            multiply();
            barrier();
        }
        if (next >= end) break;
        [[unroll]] for (uint i = 0u; i < LOADS_A; i++) {
            uint e = thread + i * THREADS;
            placeA(e / (DEPTH / 4u), e % (DEPTH / 4u) * 4u, nextA[i]);
        }
        [[unroll]] for (uint i = 0u; i < LOADS_B; i++) {
            uint e = thread + i * THREADS;
            placeB(e / (TILE_N / 4u), e % (TILE_N / 4u) * 4u, nextB[i]);
        }
        barrier();
    }
    finish();
    barrier();

    for (uint e = thread; e < TILE_M * TILE_U; e += THREADS) {
        uint at = e / TILE_U, row = rowOf[at], column = e % TILE_U, u = unit0 + column;
        if (row == NONE || u >= H) continue;
        uint z = (step * R + row) * (4u * H) + u, from = before + row * H + u, to = reverse != 0u ? from - R * H : from + R * H, p = at * PITCH_P + column;
        if (first + at >= busy) { // masked
            h[to] = h[from];
            c[to] = c[from];
            gates[z] = 0.0;
            gates[z + H] = 0.0;
            gates[z + 2u * H] = 0.0;
            gates[z + 3u * H] = 0.0;
            continue;
        }
        float i = sigmoid(gates[z] + product[p]), f = sigmoid(gates[z + H] + product[p + TILE_U]);
        float g = tanhBounded(gates[z + 2u * H] + product[p + 2u * TILE_U]), o = sigmoid(gates[z + 3u * H] + product[p + 3u * TILE_U]);
        float cell = f * c[from] + i * g;
        c[to] = cell;
        h[to] = o * tanhBounded(cell);
        gates[z] = i;
        gates[z + H] = f;
        gates[z + 2u * H] = g;
        gates[z + 3u * H] = o;
    }
}
