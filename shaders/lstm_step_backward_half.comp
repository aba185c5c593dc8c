#version 450
// lstm_step_backward_half: lstm_step_backward with the product of dz and the recurrent kernel taken of float16 by cooperative
// matrices, and summed in float32; dz is multiplied by its model's scale, which the sum is freed of. One workgroup per tile of
// rows and units.
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
const uint A_DEEP = 1u, B_DEEP = 1u;
#include "half_tile.glsl"
layout(push_constant) uniform Dims { uint K, R, T, H, t, P, offset, reverse, flows; }; // offset: of recurrent_kernel[H][4H] in params; a multiple of 4, as P; reverse, flows: as there
layout(binding = 0) buffer GatesBuf { float gates[]; };            // gates[K][T][R][4H], blocks i|f|c|o; at t: activated in, dz out; at the later step: dz
layout(binding = 0) buffer Gates4Buf { vec4 gates4[]; };
layout(binding = 1) readonly buffer RowsBuf { uint rows[]; };      // rows[K][T][R]
layout(binding = 2) readonly buffer CountBuf { uint count[]; };    // count[K][T]
layout(binding = 3) readonly buffer MaskBuf { uint mask[]; };      // mask[K][T][R], 1 = valid
layout(binding = 4) readonly buffer ParamsBuf { vec4 params4[]; }; // params[K][P]
layout(binding = 5) readonly buffer CellBuf { float c[]; };        // c[K][T+1][R][H]; slots t and t+1, in reverse the other way round
layout(binding = 6) buffer DHiddenBuf { float dh[]; };             // dh[K][R][H]
layout(binding = 7) buffer DCellBuf { float dc[]; };               // dc[K][R][H]
layout(binding = 8) readonly buffer ScaleBuf { float scale[]; };   // scale[K][2], a power of two and its inverse
layout(binding = 9) readonly buffer FlowBuf { float flow[]; };     // dout[K][T][R][H]; read with flows only

const uint LOADS_A = TILE_M * DEPTH / 4u / THREADS, LOADS_B = TILE_N * DEPTH / 4u / THREADS; // vec4s that a thread fetches
const uint NONE = 0xFFFFFFFFu;
shared uint rowOf[TILE_M];

void main() {
    uint tilesR = (R + TILE_M - 1u) / TILE_M, tilesU = (H + TILE_N - 1u) / TILE_N;
    uint group = groupIndex(), thread = gl_LocalInvocationIndex;
    uint k = group / (tilesR * tilesU), first = group / tilesU % tilesR * TILE_M, unit0 = group % tilesU * TILE_N;
    if (k >= K) return; // the same for all threads of the group
    uint step = k * T + t, last = reverse != 0u ? 0u : T - 1u;
    uint behind = t == last ? step : reverse != 0u ? step - 1u : step + 1u, busy = count[behind];
    for (uint i = thread; i < TILE_M; i += THREADS) rowOf[i] = first + i < R ? rows[behind * R + first + i] : NONE;
    barrier();

    uint recurrent = k * P + offset;
    uint end = t == last || first >= busy ? 0u : 4u * H; // there is no dz after the last step, and none of a masked row
    float up = scale[2u * k], down = scale[2u * k + 1u];
    vec4 nextA[LOADS_A], nextB[LOADS_B];
    begin();
    // Each round fetches the next tiles, multiplies those of the round before, and puts the fetched ones down.
    for (uint next = 0u; end != 0u; next += DEPTH) {
        [[unroll]] for (uint i = 0u; i < LOADS_A; i++) {
            uint e = thread + i * THREADS, at = e / (DEPTH / 4u), deep = next + e % (DEPTH / 4u) * 4u;
            nextA[i] = first + at < busy && deep < end ? gates4[((behind * R + rowOf[at]) * 4u * H + deep) / 4u] * up : vec4(0.0);
        }
        [[unroll]] for (uint i = 0u; i < LOADS_B; i++) {
            uint e = thread + i * THREADS, u = unit0 + e / (DEPTH / 4u), deep = next + e % (DEPTH / 4u) * 4u;
            nextB[i] = u < H && deep < end ? params4[(recurrent + u * 4u * H + deep) / 4u] : vec4(0.0);
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
            placeB(e / (DEPTH / 4u), e % (DEPTH / 4u) * 4u, nextB[i]);
        }
        barrier();
    }
    finish();
    barrier();

    for (uint e = thread; e < TILE_M * TILE_N; e += THREADS) {
        uint row = rowOf[e / TILE_N], u = unit0 + e % TILE_N;
        if (row == NONE || u >= H) continue;
        uint at = (k * R + row) * H + u, z = (step * R + row) * (4u * H) + u;
        float dhidden = dh[at];
        if (end != 0u) dhidden += product[e / TILE_N * PITCH_P + e % TILE_N] * down;
        if (mask[step * R + row] == 0u) {
            if (flows == 2u) dhidden += flow[(step * R + row) * H + u];
            if (end != 0u || flows == 2u) dh[at] = dhidden;
            gates[z] = 0.0;
            gates[z + H] = 0.0;
            gates[z + 2u * H] = 0.0;
            gates[z + 3u * H] = 0.0;
            continue;
        }
        uint from = ((k * (T + 1u) + t + reverse) * R + row) * H + u;
        if (flows != 0u) dhidden += flow[(step * R + row) * H + u];
        float i = gates[z], f = gates[z + H], g = gates[z + 2u * H], o = gates[z + 3u * H];
        float tc = tanhBounded(c[reverse != 0u ? from - R * H : from + R * H]);
        float dcell = dc[at] + dhidden * o * (1.0 - tc * tc); // by c', both ways: directly and through h'
        gates[z] = dcell * g * i * (1.0 - i);
        gates[z + H] = dcell * c[from] * f * (1.0 - f);
        gates[z + 2u * H] = dcell * i * (1.0 - g * g);
        gates[z + 3u * H] = dhidden * tc * o * (1.0 - o);
        dc[at] = dcell * f;
        dh[at] = 0.0;
    }
}
