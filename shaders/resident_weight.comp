#version 450
// resident_weight: parts of the gradient of every parameter, each over the slots c, c + chunks, … of a step. One workgroup per
// (model, tile, chunk c).
// A tile is RM rows of the recurrent kernel's gradient, Σ hᵀ·dz over all steps; or RX rows of the kernel's and the bias's, Σ xᵀ·dz
// with the 1 after x; or four elements a thread of the head's. A thread has two columns of dz and all rows of its tile in
// registers. Which slots make a part does not depend on how many there are, and they are added in order: a step in several passes
// has the same bits. It also hands the step's number on to resident_update, which makes the next step's out of it.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "dispatch.glsl"
#include "options.glsl"
#include "resident.glsl"
layout(local_size_x = 32, local_size_x_id = 0) in; // 2·HP
layout(constant_id = 1) const uint HP = 16u;
layout(constant_id = 2) const uint RM = 16u;       // a multiple of 4 that divides HP
layout(constant_id = 3) const uint RX = 8u;        // a multiple of 4
layout(constant_id = 4) const uint AHEAD = 4u;     // steps that are loaded together
layout(push_constant) uniform Dims { uint K, R, B, T, C, P, row0, chunks, parts, H, F, D; };
layout(binding = 0) readonly buffer CursorBuf { uint cursor[]; };     // cursor[1]
layout(binding = 1) readonly buffer SlotBuf { uint slots[]; };        // slots[C][K][B][SLOT]
layout(binding = 2) readonly buffer XBuf { vec4 x[]; };               // x[C][K][B][T][FP]
layout(binding = 3) readonly buffer HiddenBuf { vec4 hidden[]; };     // hidden[K][R][T][HP]
layout(binding = 4) readonly buffer DZBuf { vec2 dz[]; };             // dz[K][R][T][4][HP]
layout(binding = 5) readonly buffer HeadBuf { float head[]; };        // head[K][R][5·HP + 2D + 1], as resident_lstm has it
layout(binding = 6) buffer PartBuf { float part[]; };                 // part[K][parts][P], parts = min(chunks, B)
layout(binding = 7) writeonly buffer TakenBuf { uint taken[]; };      // taken[1], this step, for resident_update

const uint G = 4u * HP, MOST = RM > RX ? RM : RX, RECURRENT_TILES = HP / RM;
const uint OUTPUTS = 4u, WINDOWS = 4u, NONE = 0xFFFFFFFFu; // of a thread that makes elements of the head's gradient

// Adds the n steps of a slot: A holds rows of stride vec4, of which QUADS from first on are this tile's. Behind the last step dz
// counts as 0.
#define ADD_STEPS(A, row, stride, first, QUADS)                                                                 \
    for (uint t = 0u; t < n; t += AHEAD) {                                                                      \
        vec2 z[AHEAD];                                                                                          \
        [[unroll]] for (uint e = 0u; e < AHEAD; e++) {                                                          \
            vec2 v = dz[(dzRow + min(t + e, n - 1u)) * (G / 2u) + thread];                                      \
            z[e] = t + e < n ? v : vec2(0.0);                                                                   \
        }                                                                                                       \
        [[unroll]] for (uint e = 0u; e < AHEAD; e++) {                                                          \
            uint a = ((row) + min(t + e, n - 1u)) * (stride);                                                   \
            [[unroll]] for (uint q = 0u; q < (QUADS); q++) {                                                    \
                vec4 v = A[a + min((first) + q, (stride) - 1u)];                                                \
                [[unroll]] for (uint r = 0u; r < 4u; r++) sum[4u * q + r] = fma(vec2(v[r]), z[e], sum[4u * q + r]); \
            }                                                                                                   \
        }                                                                                                       \
    }

// Where column c of dz lies in a row of a kernel, and whether it is a real unit's.
uint columnOf(uint c) { return c / HP * H + c % HP; }
bool realColumn(uint c) { return c % HP < H; }

void main() {
    uint width = (F + 4u) / 4u * 4u, inputTiles = (width + RX - 1u) / RX;
    uint tiles = RECURRENT_TILES + inputTiles + (H * D + 2u * D + OUTPUTS * 2u * HP) / (OUTPUTS * 2u * HP);
    // Where the variables lie in a model's parameters; the kernel is the first.
    uint recurrentKernel = F * 4u * H, bias = recurrentKernel + H * 4u * H, denseKernel = bias + 4u * H;
    uint group = groupIndex(), thread = gl_LocalInvocationIndex;
    if (group >= K * tiles * parts) return; // the same for all threads of the group
    uint tile = group % tiles, c = group / tiles % parts, step = cursor[0]; // the tiles of a part side by side: they read the same dz
    uint k = group / (parts * tiles), out0 = (k * parts + c) * P; // the model, and where its part begins
    if (group == 0u && thread == 0u) taken[0] = step;
    uint slot0 = (step % C * K + k) * B + row0, first = (c + chunks - row0 % chunks) % chunks;
    if (tile >= RECURRENT_TILES + inputTiles) {
        // Four of the head's elements: the dense kernel's h·ddense, its bias's ddense, the output's dense·dlogit, its bias's dlogit.
        uint headAt = (tile - RECURRENT_TILES - inputTiles) * (OUTPUTS * 2u * HP) + thread, elements = H * D + 2u * D + 1u;
        uint left[OUTPUTS], right[OUTPUTS]; // places of the factors in a window's head; right NONE: 1
        float s[OUTPUTS];
        [[unroll]] for (uint o = 0u; o < OUTPUTS; o++) {
            uint at = min(headAt + o * (2u * HP), elements - 1u), d = at < H * D ? at % D : at < H * D + D ? at - H * D : at - H * D - D;
            left[o] = at < H * D ? at / D : at < H * D + D ? HP + d : HP + D + d; // the output's bias follows its kernel, and dlogit dense
            right[o] = at < H * D ? HP + d : at >= H * D + D && at < H * D + 2u * D ? HP + 2u * D : NONE;
            s[o] = row0 > 0u ? part[out0 + denseKernel + at] : 0.0;
        }
        for (uint i = first; i < R; i += WINDOWS * chunks) {
            float v[WINDOWS * OUTPUTS]; // all loaded before the first is added
            [[unroll]] for (uint w = 0u; w < WINDOWS; w++) {
                uint row = min(i + w * chunks, R - 1u), from = (k * R + row) * (5u * HP + 2u * D + 1u) + G;
                bool there = i + w * chunks < R && slots[(slot0 + row) * SLOT + SLOT_STEPS] != NO_WINDOW;
                [[unroll]] for (uint o = 0u; o < OUTPUTS; o++) {
                    float x = head[from + left[o]], y = head[from + (right[o] == NONE ? left[o] : right[o])];
                    v[w * OUTPUTS + o] = there ? x * (right[o] == NONE ? 1.0 : y) : 0.0;
                }
            }
            [[unroll]] for (uint w = 0u; w < WINDOWS; w++) {
                [[unroll]] for (uint o = 0u; o < OUTPUTS; o++) s[o] += v[w * OUTPUTS + o];
            }
        }
        [[unroll]] for (uint o = 0u; o < OUTPUTS; o++) {
            uint at = headAt + o * (2u * HP);
            if (at < elements) part[out0 + denseKernel + at] = s[o];
        }
        return;
    }
    bool recurrent = tile < RECURRENT_TILES;
    // Rows of the recurrent kernel; or of the kernel, and the bias as row F.
    uint rowFirst = recurrent ? tile * RM : (tile - RECURRENT_TILES) * RX, real = recurrent ? H : F + 1u;
    uint rows = max(rowFirst, real) - rowFirst, base = recurrent ? recurrentKernel : 0u, column = 2u * thread;
    rows = min(rows, recurrent ? RM : RX);
    vec2 sum[MOST];
    [[unroll]] for (uint r = 0u; r < MOST; r++) {
        sum[r] = vec2(0.0);
        if (row0 > 0u && r < rows) {
            uint to = out0 + (!recurrent && rowFirst + r == F ? bias : base + (rowFirst + r) * 4u * H);
            if (realColumn(column)) sum[r].x = part[to + columnOf(column)];
            if (realColumn(column + 1u)) sum[r].y = part[to + columnOf(column + 1u)];
        }
    }
    for (uint i = first; i < R; i += chunks) {
        uint n = slots[(slot0 + i) * SLOT + SLOT_STEPS];
        if (n == NO_WINDOW) continue;
        uint dzRow = (k * R + i) * T;
        if (recurrent) {
            ADD_STEPS(hidden, dzRow, HP / 4u, rowFirst / 4u, RM / 4u)
        } else {
            ADD_STEPS(x, (slot0 + i) * T, width / 4u, rowFirst / 4u, RX / 4u)
        }
    }
    [[unroll]] for (uint r = 0u; r < MOST; r++) {
        if (r < rows) {
            uint to = out0 + (!recurrent && rowFirst + r == F ? bias : base + (rowFirst + r) * 4u * H);
            if (realColumn(column)) part[to + columnOf(column)] = sum[r].x;
            if (realColumn(column + 1u)) part[to + columnOf(column + 1u)] = sum[r].y;
        }
    }
}
