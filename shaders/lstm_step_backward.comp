#version 450
// lstm_step_backward: one LSTM step of backpropagation through time, its product with the recurrent kernel included. One
// workgroup per tile of rows and units.
// dh += dz of the later step·recurrent_kernelᵀ, and what flows in from the layer above; then dz replaces the gates, and dh is 0,
// and dc leaves as far as it flows through the cell. A masked step has dz = 0 and passes dh and dc on; nothing flows into it, but where another order of the steps has the layer above read it. Rows
// are taken in the order of active_rows for the later step, so that a tile of rows that were masked there needs no product.
// The later step is t + 1, and in reverse t − 1: it is the one that was taken after t on the way forward.
// With HALF, the recurrent kernel is rounded to float16 for the product, and dz is, times its model's scale, which the sum is
// freed of; the sum is float32.
// The threads form SLICES, each of which has the whole tile, 4 × 4 elements a thread, and multiplies its part of every DEPTH of
// the 4H: a tile is small and its sums are long. A slice's sum runs in order, and the slices are added in order.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "dispatch.glsl"
#include "activations.glsl"
#include "half.glsl"
layout(local_size_x = 128, local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 128u;
layout(constant_id = 1) const uint SLICES = 8u;
layout(constant_id = 2) const uint THREADS_U = 4u; // threads of a slice along the units of a tile
layout(constant_id = 3) const uint DEPTH = 32u;    // a multiple of 4, of SLICES, and of what shares the loads evenly (LOADS_Z, LOADS_U)
layout(constant_id = 4) const uint HALF = 0u;
layout(constant_id = 5) const uint RELU = 0u;      // relu in place of tanh
layout(push_constant) uniform Dims { uint K, R, T, H, t, P, offset, reverse, flows; }; // offset: of recurrent_kernel[H][4H] in params; a multiple of 4, as P; reverse: 0 or 1; flows: 0, 1, or 2 where it flows into masked steps too
layout(binding = 0) buffer GatesBuf { float gates[]; };         // gates[K][T][R][4H], blocks i|f|c|o; at t: activated in, dz out; at the later step: dz
layout(binding = 0) buffer Gates4Buf { vec4 gates4[]; };
layout(binding = 1) readonly buffer RowsBuf { uint rows[]; };   // rows[K][T][R]
layout(binding = 2) readonly buffer CountBuf { uint count[]; }; // count[K][T]
layout(binding = 3) readonly buffer MaskBuf { uint mask[]; };   // mask[K][T][R], 1 = valid
layout(binding = 4) readonly buffer ParamsBuf { vec4 params4[]; }; // params[K][P]
layout(binding = 5) readonly buffer CellBuf { float c[]; };     // c[K][T+1][R][H]; slots t and t+1, in reverse the other way round
layout(binding = 6) buffer DHiddenBuf { float dh[]; };          // dh[K][R][H]
layout(binding = 7) buffer DCellBuf { float dc[]; };            // dc[K][R][H]
layout(binding = 8) readonly buffer ScaleBuf { float scale[]; }; // scale[K][2], a power of two and its inverse; read with HALF only
layout(binding = 9) readonly buffer FlowBuf { float flow[]; };  // dout[K][T][R][H], by the output of each step; read with flows only

const uint TEAM = THREADS / SLICES, THREADS_R = TEAM / THREADS_U; // threads of a slice, and those along its rows
const uint TILE_R = 4u * THREADS_R, TILE_U = 4u * THREADS_U;
const uint PITCH_Z = TILE_R / 4u + 1u, PITCH_U = TILE_U / 4u + 1u; // vec4s, and 1 so that columns lie in different banks
const uint LOADS_Z = TILE_R * DEPTH / 4u / THREADS, LOADS_U = TILE_U * DEPTH / 4u / THREADS; // vec4s that a thread fetches
const uint NONE = 0xFFFFFFFFu;
shared vec4 tileZ[DEPTH * PITCH_Z]; // [DEPTH][TILE_R/4]
shared vec4 tileU[DEPTH * PITCH_U]; // [DEPTH][TILE_U/4]
shared vec4 product[TILE_R * TILE_U / 4u]; // [TILE_R][TILE_U/4]
shared uint rowOf[TILE_R];

void main() {
    uint tilesR = (R + TILE_R - 1u) / TILE_R, tilesU = (H + TILE_U - 1u) / TILE_U;
    uint group = groupIndex(), thread = gl_LocalInvocationIndex;
    uint k = group / (tilesR * tilesU), first = group / tilesU % tilesR * TILE_R, unit0 = group % tilesU * TILE_U;
    if (k >= K) return; // the same for all threads of the group
    uint step = k * T + t, last = reverse != 0u ? 0u : T - 1u;
    uint later = t == last ? step : reverse != 0u ? step - 1u : step + 1u, busy = count[later];
    for (uint i = thread; i < TILE_R; i += THREADS) rowOf[i] = first + i < R ? rows[later * R + first + i] : NONE;
    barrier();

    uint recurrent = k * P + offset;
    uint end = t == last || first >= busy ? 0u : 4u * H; // there is no dz after the last step, and none of a masked row
    uint slice = thread / TEAM, threadR = thread % TEAM / THREADS_U, threadU = thread % THREADS_U;
    vec4 sum[4], nextZ[LOADS_Z], nextU[LOADS_U];
    [[unroll]] for (uint i = 0u; i < 4u; i++) sum[i] = vec4(0.0);
    // Each round fetches the next tiles, multiplies those of the round before, and puts the fetched ones down.
    for (uint next = 0u; end != 0u; next += DEPTH) {
        [[unroll]] for (uint i = 0u; i < LOADS_Z; i++) {
            uint e = thread + i * THREADS, at = e / (DEPTH / 4u), deep = next + e % (DEPTH / 4u) * 4u;
            nextZ[i] = vec4(0.0);
            if (first + at < busy && deep < end) nextZ[i] = gates4[((later * R + rowOf[at]) * 4u * H + deep) / 4u];
            if (HALF != 0u) nextZ[i] = roundedToHalf(nextZ[i] * scale[2u * k]);
        }
        [[unroll]] for (uint i = 0u; i < LOADS_U; i++) {
            uint e = thread + i * THREADS, u = unit0 + e / (DEPTH / 4u), deep = next + e % (DEPTH / 4u) * 4u;
            nextU[i] = vec4(0.0);
            if (u < H && deep < end) nextU[i] = params4[(recurrent + u * 4u * H + deep) / 4u];
            if (HALF != 0u) nextU[i] = roundedToHalf(nextU[i]);
        }
        if (next != 0u) {
            [[unroll]] for (uint d = 0u; d < DEPTH / SLICES; d++) {
                uint deep = slice * (DEPTH / SLICES) + d;
                vec4 left = tileZ[deep * PITCH_Z + threadR], right = tileU[deep * PITCH_U + threadU];
                [[unroll]] for (uint r = 0u; r < 4u; r++) sum[r] += left[r] * right;
            }
            barrier();
        }
        if (next >= end) break;
        [[unroll]] for (uint i = 0u; i < LOADS_Z; i++) {
            uint e = thread + i * THREADS, at = e / (DEPTH / 4u), deep = e % (DEPTH / 4u) * 4u;
            [[unroll]] for (uint j = 0u; j < 4u; j++) tileZ[(deep + j) * PITCH_Z + at / 4u][at % 4u] = nextZ[i][j];
        }
        [[unroll]] for (uint i = 0u; i < LOADS_U; i++) {
            uint e = thread + i * THREADS, at = e / (DEPTH / 4u), deep = e % (DEPTH / 4u) * 4u;
            [[unroll]] for (uint j = 0u; j < 4u; j++) tileU[(deep + j) * PITCH_U + at / 4u][at % 4u] = nextU[i][j];
        }
        barrier();
    }
    for (uint s = 0u; s < SLICES; s++) {
        if (slice == s) {
            [[unroll]] for (uint r = 0u; r < 4u; r++) {
                uint at = (4u * threadR + r) * (TILE_U / 4u) + threadU;
                product[at] = s == 0u ? sum[r] : product[at] + sum[r];
            }
        }
        barrier();
        if (end == 0u) break; // all slices hold 0
    }

    for (uint e = thread; e < TILE_R * TILE_U; e += THREADS) {
        uint row = rowOf[e / TILE_U], u = unit0 + e % TILE_U;
        if (row == NONE || u >= H) continue;
        uint at = (k * R + row) * H + u, z = (step * R + row) * (4u * H) + u;
        float dhidden = dh[at];
        if (end != 0u) dhidden += product[e / 4u][e % 4u] * (HALF != 0u ? scale[2u * k + 1u] : 1.0);
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
        float after = c[reverse != 0u ? from - R * H : from + R * H], tc = RELU != 0u ? relu(after) : tanhBounded(after);
        float slopeH = RELU != 0u ? (after > 0.0 ? 1.0 : 0.0) : 1.0 - tc * tc, slopeG = RELU != 0u ? (g > 0.0 ? 1.0 : 0.0) : 1.0 - g * g;
        float dcell = dc[at] + dhidden * o * slopeH; // by c', both ways: directly and through h'
        gates[z] = dcell * g * i * (1.0 - i);
        gates[z + H] = dcell * c[from] * f * (1.0 - f);
        gates[z + 2u * H] = dcell * i * slopeG;
        gates[z + 3u * H] = dhidden * tc * o * (1.0 - o);
        dc[at] = dcell * f;
        dh[at] = 0.0;
    }
}
