#version 450
// lstm_step_forward: one LSTM step, its product with the recurrent kernel included. One workgroup per tile of rows and units.
// z = z of the input + h·recurrent_kernel; i, f, o = sigmoid(z), g = tanh(z_c); c' = f·c + i·g; h' = o·tanh(c'). The gates
// replace z. A masked step carries h and c forward, and its gates are 0. Rows are taken in the order of active_rows, so that a
// tile of masked rows leaves at once. Each product is one sum over 0, 1, …, H − 1 in that order. Steps are taken from 0 on, or in
// reverse from T − 1 on; the slot of h and c where they begin holds 0.
// With HALF, h and the recurrent kernel are rounded to float16 for their product; its sum is float32.
// A thread keeps all four gates of 4·ROWS4 rows and UNITS units. Tiles of h and of the recurrent kernel pass through shared
// memory, DEPTH of H at a time; the next ones are fetched while these are multiplied.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "dispatch.glsl"
#include "activations.glsl"
#include "half.glsl"
layout(local_size_x = 64, local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64u;
layout(constant_id = 1) const uint THREADS_U = 16u; // threads along the units of a tile; the others lie along its rows
layout(constant_id = 2) const uint ROWS4 = 1u;      // vec4s of rows that a thread has
layout(constant_id = 3) const uint UNITS = 1u;      // units that a thread has
layout(constant_id = 4) const uint DEPTH = 16u;     // a multiple of 4, and of what shares the loads evenly (LOADS_H, LOADS_U)
layout(constant_id = 5) const uint VECTOR_H = 0u;   // H is a multiple of 4
layout(constant_id = 6) const uint HALF = 0u;
layout(constant_id = 7) const uint RELU = 0u;       // relu in place of tanh
layout(push_constant) uniform Dims { uint K, R, T, H, t, P, offset, reverse; }; // offset: of recurrent_kernel[H][4H] in params; reverse: 0 or 1
layout(binding = 0) buffer GatesBuf { float gates[]; };         // gates[K][T][R][4H], blocks i|f|c|o; at t: z in, activated out
layout(binding = 1) readonly buffer RowsBuf { uint rows[]; };   // rows[K][T][R]
layout(binding = 2) readonly buffer CountBuf { uint count[]; }; // count[K][T]
layout(binding = 3) readonly buffer ParamsBuf { float params[]; }; // params[K][P]
layout(binding = 4) buffer HiddenBuf { float h[]; };            // h[K][T+1][R][H]; slot t in, slot t+1 out; in reverse t+1 in, t out
layout(binding = 4) buffer Hidden4Buf { vec4 h4[]; };
layout(binding = 5) buffer CellBuf { float c[]; };              // c[K][T+1][R][H]; as h

const uint THREADS_R = THREADS / THREADS_U;
const uint TILE_R = 4u * THREADS_R * ROWS4, TILE_U = THREADS_U * UNITS;
const uint PITCH_H = TILE_R / 4u + 1u; // vec4s, and 1 so that columns lie in different banks
const uint LOADS_H = TILE_R * DEPTH / 4u / THREADS, LOADS_U = TILE_U * DEPTH / THREADS; // vec4s that a thread fetches
const uint NONE = 0xFFFFFFFFu;
shared vec4 tileH[DEPTH * PITCH_H]; // [DEPTH][TILE_R/4]
shared vec4 tileU[DEPTH * TILE_U];  // [DEPTH][TILE_U], the four gates of a unit
shared uint rowOf[TILE_R];

float cellActivation(float z) { return RELU != 0u ? relu(z) : tanhBounded(z); }

// Four elements of a row's h from deep on; 0 where they lie outside.
vec4 fetchHidden(uint base, uint row, uint deep, uint end) {
    if (row == NONE || deep >= end) return vec4(0.0);
    uint at = base + row * H + deep;
    if (VECTOR_H != 0u) return h4[at / 4u];
    vec4 v = vec4(0.0);
    [[unroll]] for (uint i = 0u; i < 4u; i++) {
        if (deep + i < end) v[i] = h[at + i];
    }
    return v;
}

void main() {
    uint tilesR = (R + TILE_R - 1u) / TILE_R, tilesU = (H + TILE_U - 1u) / TILE_U;
    uint group = groupIndex(), thread = gl_LocalInvocationIndex;
    uint k = group / (tilesR * tilesU), first = group / tilesU % tilesR * TILE_R, unit0 = group % tilesU * TILE_U;
    if (k >= K) return; // the same for all threads of the group
    uint step = k * T + t, busy = count[step];
    for (uint i = thread; i < TILE_R; i += THREADS) rowOf[i] = first + i < R ? rows[step * R + first + i] : NONE;
    barrier();

    uint before = (k * (T + 1u) + t + reverse) * R * H, recurrent = k * P + offset;
    uint end = t == (reverse != 0u ? T - 1u : 0u) || first >= busy ? 0u : H; // before the first step h is 0; a masked row needs no product
    uint threadR = thread / THREADS_U, threadU = thread % THREADS_U;
    vec4 sum[4u * ROWS4 * UNITS], nextH[LOADS_H], nextU[LOADS_U];
    [[unroll]] for (uint i = 0u; i < 4u * ROWS4 * UNITS; i++) sum[i] = vec4(0.0);
    // Each round fetches the next tiles, multiplies those of the round before, and puts the fetched ones down.
    for (uint next = 0u; end != 0u; next += DEPTH) {
        [[unroll]] for (uint i = 0u; i < LOADS_H; i++) {
            uint e = thread + i * THREADS, at = e / (DEPTH / 4u);
            nextH[i] = fetchHidden(before, first + at < busy ? rowOf[at] : NONE, next + e % (DEPTH / 4u) * 4u, end);
            if (HALF != 0u) nextH[i] = roundedToHalf(nextH[i]);
        }
        [[unroll]] for (uint i = 0u; i < LOADS_U; i++) {
            uint e = thread + i * THREADS, u = unit0 + e % TILE_U, deep = next + e / TILE_U;
            nextU[i] = vec4(0.0);
            if (u < H && deep < end) {
                uint at = recurrent + deep * 4u * H + u;
                nextU[i] = vec4(params[at], params[at + H], params[at + 2u * H], params[at + 3u * H]);
            }
            if (HALF != 0u) nextU[i] = roundedToHalf(nextU[i]);
        }
        if (next != 0u) {
            uint filled = min(DEPTH, (end - next + DEPTH + 3u) / 4u * 4u);
            for (uint deep = 0u; deep < filled; deep += 4u) {
                [[unroll]] for (uint d = 0u; d < 4u; d++) {
                    vec4 right[UNITS];
                    [[unroll]] for (uint j = 0u; j < UNITS; j++) right[j] = tileU[(deep + d) * TILE_U + threadU + j * THREADS_U];
                    [[unroll]] for (uint i = 0u; i < ROWS4; i++) {
                        vec4 left = tileH[(deep + d) * PITCH_H + threadR + i * THREADS_R];
                        [[unroll]] for (uint r = 0u; r < 4u; r++) {
                            [[unroll]] for (uint j = 0u; j < UNITS; j++) sum[(4u * i + r) * UNITS + j] += left[r] * right[j];
                        }
                    }
                }
            }
            barrier();
        }
        if (next >= end) break;
        [[unroll]] for (uint i = 0u; i < LOADS_H; i++) {
            uint e = thread + i * THREADS, at = e / (DEPTH / 4u), deep = e % (DEPTH / 4u) * 4u;
            [[unroll]] for (uint j = 0u; j < 4u; j++) tileH[(deep + j) * PITCH_H + at / 4u][at % 4u] = nextH[i][j];
        }
        [[unroll]] for (uint i = 0u; i < LOADS_U; i++) tileU[thread + i * THREADS] = nextU[i];
        barrier();
    }

    [[unroll]] for (uint n = 0u; n < 4u * ROWS4; n++) {
        uint at = 4u * (threadR + n / 4u * THREADS_R) + n % 4u, row = rowOf[at];
        [[unroll]] for (uint j = 0u; j < UNITS; j++) {
            uint u = unit0 + threadU + j * THREADS_U;
            if (row == NONE || u >= H) continue;
            uint z = (step * R + row) * (4u * H) + u, from = before + row * H + u, to = reverse != 0u ? from - R * H : from + R * H;
            if (first + at >= busy) { // masked
                h[to] = h[from];
                c[to] = c[from];
                gates[z] = 0.0;
                gates[z + H] = 0.0;
                gates[z + 2u * H] = 0.0;
                gates[z + 3u * H] = 0.0;
                continue;
            }
            vec4 product = sum[n * UNITS + j];
            float i = sigmoid(gates[z] + product.x), f = sigmoid(gates[z + H] + product.y);
            float g = cellActivation(gates[z + 2u * H] + product.z), o = sigmoid(gates[z + 3u * H] + product.w);
            float cell = f * c[from] + i * g;
            c[to] = cell;
            h[to] = o * cellActivation(cell);
            gates[z] = i;
            gates[z + H] = f;
            gates[z + 2u * H] = g;
            gates[z + 3u * H] = o;
        }
    }
}
