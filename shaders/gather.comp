#version 450
// gather: takes a step's windows out of the loaded ones, moves them in training, and scales them. One thread per cell of x.
// A valid cell becomes (v − offset)·factor; cells that are missing or in a masked step, those of rows without a window, and of
// steps that nothing moves into, become MISSING. In a moved window (include/move.glsl) v is its factor times what was measured
// shift steps before, and a triplet without a missing value is turned. The loaded windows may lie in several chunks, one
// dispatch each: a dispatch writes the rows whose window lies in its chunk, and the one with chunkFirst = 0 the rows without a
// window too.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "missing.glsl"
#include "options.glsl"
#include "philox.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Dims { uint K, R, B, T, F, row0, chunkFirst, chunkCount, train; };
layout(binding = 0) readonly buffer RawBuf { uint raw[]; };                 // raw[chunkCount][T][F], bits of float32
layout(binding = 1) readonly buffer ValidBuf { uint valid[]; };             // valid[chunkCount][T]
layout(binding = 2) readonly buffer OrderWindowBuf { uint orderWindow[]; }; // order_window[S][K][B]
layout(binding = 3) readonly buffer ScalingBuf { float scaling[]; };        // scaling[K][4][F]: offset, factor, low, high
layout(binding = 4) readonly buffer CursorBuf { uint cursor[]; };           // cursor[1]
layout(binding = 5) readonly buffer OptionsBuf { uint options[]; };         // options[K][OPTIONS]
layout(binding = 6) readonly buffer TurnsBuf { float turns[]; };            // turns[AXES][3], then [K][ANGLES][2]
layout(binding = 7) writeonly buffer XBuf { uint x[]; };                    // x[K][T][R][F], bits of float32
#include "move.glsl"

void main() {
    uint i = threadIndex();
    if (i >= K * T * R * F) return;
    uint f = i % F, r = i / F % R, t = i / (F * R) % T, k = i / (F * R * T);
    uint window = orderWindow[(cursor[0] * K + k) * B + row0 + r];
    if (window == NO_WINDOW) {
        if (chunkFirst == 0u) x[i] = MISSING;
        return;
    }
    if (window < chunkFirst || window - chunkFirst >= chunkCount) return;
    Move move = moveOf(k, window, train != 0u);
    uint from = t - uint(move.shift); // below 0 it is large
    uint at = (window - chunkFirst) * T + from;
    if (from >= T || valid[at] == 0u || isMissing(raw[at * F + f])) {
        x[i] = MISSING;
        return;
    }
    precise float v = uintBitsToFloat(raw[at * F + f]);
    if (move.on) v = v * move.factor;
    if (f < move.turning) {
        uint turn = f % 3u, triplet = at * F + f - turn;
        uint next = raw[triplet + (turn + 1u) % 3u], last = raw[triplet + (turn + 2u) % 3u];
        if (!isMissing(next) && !isMissing(last)) {
            precise float b = uintBitsToFloat(next) * move.factor, c = uintBitsToFloat(last) * move.factor;
            v = turned(turnRow(move, turn), v, b, c);
        }
    }
    precise float shifted = v - scaling[(k * 4u) * F + f];
    precise float scaled = shifted * scaling[(k * 4u + 1u) * F + f];
    x[i] = floatBitsToUint(scaled);
}
