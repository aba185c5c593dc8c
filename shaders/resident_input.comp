#version 450
// resident_input: the input of the next C steps of the resident path. One workgroup per window of a step.
// What gather, time_warp and augment make of a window, the same bits, but packed: only the valid steps, one after the other, each
// followed by a 1 for the bias and zeros up to a multiple of 4. The windows of a step lie in the order of order_place, slot by slot;
// step s goes to part s mod C. The loaded windows may lie in several chunks, one dispatch each, as for gather.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "missing.glsl"
#include "options.glsl"
#include "philox.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Dims { uint K, B, T, F, C, S, chunkFirst, chunkCount, train; };
layout(binding = 0) readonly buffer RawBuf { uint raw[]; };                  // raw[chunkCount][T][F], bits of float32
layout(binding = 1) readonly buffer ValidBuf { uint valid[]; };              // valid[chunkCount][T]
layout(binding = 2) readonly buffer OrderWindowBuf { uint orderWindow[]; };  // order_window[S][K][B]
layout(binding = 3) readonly buffer OrderWeightBuf { float orderWeight[]; }; // order_weight[S][K][B]
layout(binding = 4) readonly buffer OrderPlaceBuf { uint orderPlace[]; };    // order_place[S][K][B], the place of each slot
layout(binding = 5) readonly buffer LabelBuf { float label[]; };             // label[N], 0 or 1
layout(binding = 6) readonly buffer OptionsBuf { uint options[]; };          // options[K][OPTIONS]
layout(binding = 7) readonly buffer ScalingBuf { float scaling[]; };         // scaling[K][4][F]: offset, factor, low, high
layout(binding = 8) readonly buffer QuantileBuf { float quantile[]; };       // quantile[32768], upper half of the normal distribution
layout(binding = 9) readonly buffer ReciprocalBuf { float reciprocal[]; };   // 1/i, for i ≤ T·(1 + warp)
layout(binding = 10) readonly buffer CursorBuf { uint cursor[]; };           // cursor[1], the first step
layout(binding = 11) readonly buffer TurnsBuf { float turns[]; };            // turns[AXES][3], then [K][ANGLES][2]
layout(binding = 12) writeonly buffer XBuf { uint x[]; };                    // x[C][K][B][T][FP], bits of float32, FP = (F + 4)/4·4
layout(binding = 13) writeonly buffer SlotBuf { uint slots[]; };             // slots[C][K][B][SLOT]
#include "resident.glsl"
#include "move.glsl"

const uint THREADS = 64u;
shared uint used[4]; // bit i: thread i's step is valid; and two words that only round the size up

// The current feature: its number, its window's first step in valid, its scaling, and its place and row in a triplet that turns.
uint feature, firstStep, turn;
float offset, factor;
vec3 row;
Move move; // of the window

// The cell of the feature at step t, MISSING where there is none; before it is moved and scaled.
uint measured(uint t) {
    uint from = t - uint(move.shift); // below 0 it is large
    if (from >= T || valid[firstStep + from] == 0u) return MISSING;
    return raw[(firstStep + from) * F + feature];
}

// The moved and scaled cell of the feature at step t, as gather makes it. It is not missing.
float cell(uint t) {
    uint at = (firstStep + t - uint(move.shift)) * F + feature;
    precise float v = uintBitsToFloat(raw[at]);
    if (move.on) v = v * move.factor;
    if (feature < move.turning) {
        uint triplet = at - turn, next = raw[triplet + (turn + 1u) % 3u], last = raw[triplet + (turn + 2u) % 3u];
        if (!isMissing(next) && !isMissing(last)) {
            precise float b = uintBitsToFloat(next) * move.factor, c = uintBitsToFloat(last) * move.factor;
            v = turned(row, v, b, c);
        }
    }
    precise float shifted = v - offset;
    precise float scaled = shifted * factor;
    return scaled;
}
bool absent(uint t) { return isMissing(measured(t)); }
#include "time_warp.glsl"
#include "noise.glsl"

// What is the same for all cells of a window.
uint model, window, epoch, points, dropBelow;
uvec2 key;
float sigma;
bool chosen;

// The random words of four neighbouring cells.
uvec4 noise, lost;

// Cell (t, feature) as the network gets it, but MISSING where it has no value. The features of a step are asked for in order.
uint value(uint t) {
    offset = scaling[(model * 4u) * F + feature];
    factor = scaling[(model * 4u + 1u) * F + feature];
    if (feature < move.turning) {
        turn = feature % 3u;
        row = turnRow(move, turn);
    }
    uint at = t * F + feature;
    bool lacking = absent(t);
    if (!chosen) return lacking ? MISSING : floatBitsToUint(cell(t));
    if (feature == 0u || at % 4u == 0u) {
        noise = philox(uvec4(at / 4u, window, epoch, STREAM_NOISE), key);
        lost = philox(uvec4(at / 4u, window, epoch, STREAM_FEATURE_DROP), key);
    }
    if (lacking) return MISSING;
    uint bits = floatBitsToUint(points >= 2u ? warped(t, points) : cell(t));
    if (isMissing(bits)) return MISSING; // values beyond float32
    if (sigma != 0.0) bits = noisy(bits, noise[at % 4u], sigma, scaling[(model * 4u + 2u) * F + feature], scaling[(model * 4u + 3u) * F + feature]);
    return lost[at % 4u] >> 8 < dropBelow ? MISSING : bits;
}

void main() {
    uint group = groupIndex(), thread = gl_LocalInvocationIndex;
    uint i = group % B, step = cursor[0] + group / (B * K);
    model = group / B % K;
    if (group >= C * K * B || step >= S) return; // the same for all threads of the group
    uint order = (step * K + model) * B, place = orderPlace[order + i];
    uint slot = (step % C * K + model) * B + i, width = (F + 4u) / 4u * 4u;
    window = orderWindow[order + place];
    if (window == NO_WINDOW) {
        if (chunkFirst == 0u && thread == 0u) {
            slots[slot * SLOT + SLOT_STEPS] = NO_WINDOW;
            slots[slot * SLOT + SLOT_PLACE] = place;
            slots[slot * SLOT + SLOT_POSITIVE] = 0u;
            slots[slot * SLOT + SLOT_WEIGHT] = 0u;
        }
        return;
    }
    if (window < chunkFirst || window - chunkFirst >= chunkCount) return;
    uint o = model * OPTIONS;
    key = uvec2(options[o + KEY_LOW], options[o + KEY_HIGH]);
    epoch = options[o + EPOCH];
    dropBelow = options[o + DROP_BELOW];
    sigma = uintBitsToFloat(options[o + NOISE]);
    firstStep = (window - chunkFirst) * T;
    move = moveOf(model, window, train != 0u);
    uvec4 draw = philox(uvec4(0u, window, epoch, STREAM_AUGMENT), key);
    chosen = train != 0u && draw.x >> 8 < options[o + VARY_BELOW];
    float warp = uintBitsToFloat(options[o + WARP]);
    points = warp != 0.0 && T >= 2u ? warpPoints(draw.y, warp) : 0u;

    // A step is valid when any of its cells has a value. 64 steps at a time; packed counts the valid ones before them.
    uint packed = 0u;
    for (uint t0 = 0u; t0 < T; t0 += THREADS) {
        uint t = t0 + thread, any = 0u;
        if (thread < 4u) used[thread] = 0u;
        barrier();
        if (t < T) {
            for (feature = 0u; feature < F; feature++) {
                if (!isMissing(value(t))) any = 1u;
            }
        }
        if (any != 0u) atomicOr(used[thread / 32u], 1u << thread % 32u);
        barrier();
        uint low = used[0], high = used[1], before = (1u << thread % 32u) - 1u;
        if (any != 0u) {
            uint rank = thread < 32u ? bitCount(low & before) : bitCount(low) + bitCount(high & before);
            uint first = (slot * T + packed + rank) * width;
            for (feature = 0u; feature < F; feature++) {
                uint bits = value(t);
                x[first + feature] = isMissing(bits) ? 0u : bits;
            }
            x[first + F] = floatBitsToUint(1.0);
            for (uint f = F + 1u; f < width; f++) x[first + f] = 0u;
        }
        packed += bitCount(low) + bitCount(high);
        barrier();
    }
    if (thread != 0u) return;
    slots[slot * SLOT + SLOT_STEPS] = packed;
    slots[slot * SLOT + SLOT_PLACE] = place;
    slots[slot * SLOT + SLOT_POSITIVE] = label[window] > 0.0 ? 1u : 0u;
    slots[slot * SLOT + SLOT_WEIGHT] = floatBitsToUint(orderWeight[order + place]);
}
