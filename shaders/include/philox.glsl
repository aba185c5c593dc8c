// Philox 4×32-10, a counter-based random generator (Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3.
// SC 2011, section 3.3). model/philox is the same in Go, word for word, and says what the streams and counters mean.
#ifndef PHILOX_GLSL
#define PHILOX_GLSL
#extension GL_EXT_control_flow_attributes : require

const uint STREAM_DROPOUT = 2u;      // element = unit/4, item = batch row, time = optimizer step
const uint STREAM_AUGMENT = 3u;      // element 0: word 0 gates the window, word 1 sets the warp; item = window, time = epoch
const uint STREAM_NOISE = 4u;        // element = cell/4, cell = t·F + f; item = window, time = epoch
const uint STREAM_FEATURE_DROP = 5u; // as STREAM_NOISE
const uint STREAM_MOVE = 8u;         // element 0: word 0 gates the window, then shift, magnitude, rotation; item = window, time = epoch

// The four random words of a counter (element, item, time, stream) under a key.
uvec4 philox(uvec4 counter, uvec2 key) {
    [[unroll]] for (int round = 0; round < 10; round++) {
        uint hi0, lo0, hi1, lo1;
        umulExtended(0xD2511F53u, counter.x, hi0, lo0);
        umulExtended(0xCD9E8D57u, counter.z, hi1, lo1);
        counter = uvec4(hi1 ^ counter.y ^ key.x, lo1, hi0 ^ counter.w ^ key.y, lo0);
        key += uvec2(0x9E3779B9u, 0xBB67AE85u);
    }
    return counter;
}

#endif
