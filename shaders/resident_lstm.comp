#version 450
// resident_lstm: windows through the whole network and back in one dispatch, with the recurrent weights in registers.
// A workgroup of 4·HP threads takes the windows g, 2W−1−g, 2W+g, … of R (long ones first, so that work is even): first all of them
// forward, head and loss included, then all of them back to dz. Four neighbouring lanes, a quad, serve a unit: lane p has gate p
// (i f c o). It needs full subgroups of 4 lanes or more. HP is H rounded up; units from H on have zero weights and stay 0.
// Forward: a lane holds 1/4 of the rows of all four gates of its unit, so that h is read from shared memory once per quad; the
// sums of the quad leave gate p in lane p. What BPTT multiplies dh and dc with is stored in place of the gates:
//   dz = factor·(p == 3 ? dh : dc),  dc = dh·o(1 − tanh²c) + carry,  carry = dc·f,
// so that the way back has no exp; dz replaces the factor. BPTT: LG lanes (4, 8 or 16, at most the smallest subgroup) share sums
// over the 4·HP elements of dz. One barrier per step each way. Every element of factors is read by the thread that wrote it.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_ballot : require
#extension GL_KHR_shader_subgroup_quad : require
#extension GL_KHR_shader_subgroup_shuffle : require
#include "dispatch.glsl"
#include "options.glsl"
#include "philox.glsl"
#include "resident.glsl"
layout(local_size_x = 64, local_size_x_id = 0) in; // 4·HP
layout(constant_id = 1) const uint HP = 16u;       // H rounded up to a multiple of 16, and 4·HP to one of the largest subgroup
layout(constant_id = 2) const uint FP = 8u;        // F and the 1 for the bias, rounded up to a multiple of 4
layout(constant_id = 3) const uint DP = 64u;       // room for D values
layout(constant_id = 4) const uint TRAIN = 1u;     // 0: probabilities and losses alone; no dropout, nothing stored for BPTT
layout(constant_id = 5) const uint LG = 4u;
layout(push_constant) uniform Dims { uint K, R, B, T, C, W, P, row0, H, F, D; }; // W workgroups per model
layout(binding = 0) readonly buffer ParamsBuf { float params[]; };      // params[K][P]
layout(binding = 1) readonly buffer OptionsBuf { uint options[]; };     // options[K][OPTIONS]
layout(binding = 2) readonly buffer ScheduleBuf { uint schedule[]; };   // schedule[S][K][SCHEDULE]
layout(binding = 3) readonly buffer CursorBuf { uint cursor[]; };       // cursor[1]
layout(binding = 4) readonly buffer XBuf { vec4 x[]; };                 // x[C][K][B][T][FP], packed by resident_input
layout(binding = 5) readonly buffer SlotBuf { uint slots[]; };          // slots[C][K][B][SLOT]
layout(binding = 6) buffer FactorBuf { float factors[]; };              // factors[K][R][T][4][HP]: factor, then dz
layout(binding = 7) buffer PairBuf { vec2 pairs[]; };                   // pairs[K][R][T][HP]: o(1 − tanh²c), f
layout(binding = 8) writeonly buffer HiddenBuf { float hidden[]; };     // hidden[K][R][T][HP]: h before the step
layout(binding = 9) buffer HeadBuf { float head[]; };                   // head[K][R][5·HP + 2D + 1]: dh[4][HP], dropped h[HP], ddense[D], dense[D], dlogit
layout(binding = 10) writeonly buffer ProbabilityBuf { float probability[]; }; // out_probability[S][K][B]
layout(binding = 11) writeonly buffer LossBuf { float weighted[]; };           // out_loss[S][K][B], w·l
#include "loss.glsl"

const uint G = 4u * HP;

// In multiples of 16 bytes: Mesa packs shared arrays without gaps, and vec4 reads stay 128 bits wide.
shared vec4 hs[2u * HP / 4u];          // h, double buffered; after the last step h after dropout
shared vec4 ds[2u * HP];               // dz of a unit's four gates, double buffered
shared float dense[DP];                // the dense layer's output

float quadSum(float v) {
    v += subgroupQuadSwapHorizontal(v);
    return v + subgroupQuadSwapVertical(v);
}

// A parameter of model k, or 0 where the unit is padding.
float weight(uint k, uint at, bool real) {
    float v = params[k * P + (real ? at : 0u)];
    return real ? v : 0.0;
}

// The j-th window of workgroup g: there and back again, since windows come by length.
uint windowOf(uint j, uint g) { return j * W + ((j & 1u) == 0u ? g : W - 1u - g); }

void main() {
    uint group = groupIndex();
    if (group >= K * W) return; // the same for all threads of the group
    uint k = group / W, g = group - k * W, o = k * OPTIONS;
    uint tid = gl_SubgroupID * (G / gl_NumSubgroups) + gl_SubgroupInvocationID;
    uint u = tid >> 2, p = tid & 3u, mine = p * HP + u;
    uint step = cursor[0], slot0 = (step % C * K + k) * B + row0, results = (step * K + k) * B, plan = (step * K + k) * SCHEDULE;
    uint rounds = (R + W - 1u) / W;
    bool real = u < H;
    // Where the variables lie in a model's parameters; the kernel is the first.
    uint recurrent = F * 4u * H, bias = recurrent + H * 4u * H, denseKernel = bias + 4u * H, denseBias = denseKernel + H * D;
    uint outputKernel = denseBias + D, outputBias = outputKernel + D, headWidth = 5u * HP + 2u * D + 1u;
    float keepScale = uintBitsToFloat(options[o + DROPOUT_SCALE]), inverseBatch = uintBitsToFloat(schedule[plan + INVERSE_BATCH]);
    {
        // Lane p holds rows 16j + 4p + e of the recurrent kernel; slot s is gate s^p, so that the sum over the quad needs no select.
        vec4 U[HP / 4u];
        float Wx[FP]; // column F is the bias, since x has a 1 there
        [[unroll]] for (uint j = 0u; j < HP / 16u; j++) {
            [[unroll]] for (uint e = 0u; e < 4u; e++) {
                uint row = 16u * j + 4u * p + e, at = recurrent + row * 4u * H + u;
                bool in_ = real && row < H;
                U[4u * j + e] = vec4(weight(k, at + p * H, in_), weight(k, at + (p ^ 1u) * H, in_),
                    weight(k, at + (p ^ 2u) * H, in_), weight(k, at + (p ^ 3u) * H, in_));
            }
        }
        [[unroll]] for (uint f = 0u; f < FP; f++) Wx[f] = weight(k, (f == F ? bias : f * 4u * H) + p * H + u, real && f <= F);

        for (uint j = 0u; j < rounds; j++) {
            uint i = windowOf(j, g);
            if (i >= R) continue;
            uint slot = slot0 + i;
            uint n = subgroupBroadcastFirst(slots[slot * SLOT + SLOT_STEPS]), place = slots[slot * SLOT + SLOT_PLACE];
            if (n == NO_WINDOW) {
                if (tid == 0u) {
                    probability[results + place] = 0.0;
                    weighted[results + place] = 0.0;
                }
                continue;
            }
            if (tid < HP / 4u) hs[tid] = vec4(0.0);
            float c = 0.0, h = 0.0, xz = 0.0;
            uint row = (k * R + i) * T, input_ = slot * T * (FP / 4u);
            if (n > 0u) {
                vec4 now[FP / 4u];
                [[unroll]] for (uint q = 0u; q < FP / 4u; q++) now[q] = x[input_ + q];
                [[unroll]] for (uint f = 0u; f < FP; f++) xz = fma(Wx[f], now[f / 4u][f % 4u], xz);
                if (TRAIN != 0u && p == 0u) hidden[row * HP + u] = 0.0;
            }
            barrier();
            for (uint t = 0u; t < n; t++) {
                uint cur = (t & 1u) * (HP / 4u), next = input_ + min(t + 1u, n - 1u) * (FP / 4u);
                vec4 then[FP / 4u]; // the next step's input, a step ahead
                [[unroll]] for (uint q = 0u; q < FP / 4u; q++) then[q] = x[next + q];
                vec4 a = vec4(0.0);
                [[unroll]] for (uint j = 0u; j < HP / 16u; j++) {
                    vec4 v = hs[cur + 4u * j + p];
                    a = fma(vec4(v.x), U[4u * j], a);
                    a = fma(vec4(v.y), U[4u * j + 1u], a);
                    a = fma(vec4(v.z), U[4u * j + 2u], a);
                    a = fma(vec4(v.w), U[4u * j + 3u], a);
                }
                float lo = a.x + subgroupQuadSwapHorizontal(a.y), hi = a.z + subgroupQuadSwapHorizontal(a.w);
                float z = xz + lo + subgroupQuadSwapVertical(hi);
                // sigmoid(z), in lane 2 tanhBounded(z): one exp and one division for both.
                bool tanh_ = p == 2u;
                float size = abs(z), e = exp(tanh_ ? -2.0 * size : -size);
                float gate = (tanh_ ? 1.0 - e : z < 0.0 ? e : 1.0) / (1.0 + e);
                gate = !tanh_ ? gate : size < 0.5 ? tanhSmall(z) : z < 0.0 ? -gate : gate;
                float gi = subgroupQuadBroadcast(gate, 0u), gf = subgroupQuadBroadcast(gate, 1u);
                float gc = subgroupQuadBroadcast(gate, 2u), go = subgroupQuadBroadcast(gate, 3u);
                float before = c;
                c = fma(gf, c, gi * gc);
                float tc = tanhBounded(c);
                h = go * tc;
                if (p == 0u) {
                    hs[HP / 4u - cur + (u >> 2)][u & 3u] = h;
                    if (TRAIN != 0u && t + 1u < n) hidden[(row + 1u) * HP + u] = h;
                }
                if (TRAIN != 0u) {
                    float other = p == 0u ? gc : p == 1u ? before : p == 2u ? gi : tc;
                    factors[row * G + mine] = other * (tanh_ ? 1.0 - gate * gate : gate * (1.0 - gate));
                    if (p == 1u) pairs[row * HP + u] = vec2(go * (1.0 - tc * tc), gf);
                    row++;
                }
                xz = 0.0;
                [[unroll]] for (uint f = 0u; f < FP; f++) xz = fma(Wx[f], then[f / 4u][f % 4u], xz);
                barrier();
            }

            // Dropout, Dense(D, relu), Dense(1), the loss, and the derivative down to h.
            bool keep = true;
            if (TRAIN != 0u) {
                uvec2 key = uvec2(options[o + KEY_LOW], options[o + KEY_HIGH]);
                uint word = philox(uvec4(u / 4u, place, schedule[plan + TIME], STREAM_DROPOUT), key)[u % 4u];
                keep = word >> 8 >= options[o + DROPOUT_BELOW];
                precise float kept = h * keepScale;
                h = keep ? kept : 0.0;
            }
            uint dropped = (~n & 1u) * (HP / 4u); // the half that no one reads any more
            if (p == 0u) hs[dropped + (u >> 2)][u & 3u] = h;
            barrier();
            for (uint d0 = 0u; d0 < D; d0 += HP) {
                uint d = d0 + u;
                float sum = 0.0;
                if (d < D) {
                    for (uint j = 0u; j < HP / 16u; j++) {
                        vec4 v = hs[dropped + 4u * j + p];
                        uint r = 16u * j + 4u * p;
                        sum += v.x * weight(k, denseKernel + r * D + d, r < H) + v.y * weight(k, denseKernel + (r + 1u) * D + d, r + 1u < H)
                            + v.z * weight(k, denseKernel + (r + 2u) * D + d, r + 2u < H) + v.w * weight(k, denseKernel + (r + 3u) * D + d, r + 3u < H);
                    }
                }
                sum = quadSum(sum);
                if (d < D) {
                    sum += params[k * P + denseBias + d];
                    if (p == 0u) dense[d] = sum < 0.0 ? 0.0 : sum; // NaN stays NaN
                }
            }
            barrier();
            float logit = 0.0;
            for (uint d = p; d < D; d += 4u) logit += dense[d] * params[k * P + outputKernel + d];
            logit = quadSum(logit) + params[k * P + outputBias];
            vec2 l = lossOf(logit, slots[slot * SLOT + SLOT_POSITIVE] != 0u, o);
            float w = uintBitsToFloat(slots[slot * SLOT + SLOT_WEIGHT]);
            if (tid == 0u) {
                probability[results + place] = sigmoid(logit);
                weighted[results + place] = w * l.x;
            }
            if (TRAIN == 0u) continue;
            float dlogit = w * inverseBatch * l.y, dh = 0.0;
            uint out_ = (k * R + i) * headWidth;
            for (uint d = p; d < D; d += 4u) {
                float dd = dense[d] > 0.0 ? dlogit * params[k * P + outputKernel + d] : 0.0;
                dh += dd * weight(k, denseKernel + u * D + d, real);
            }
            dh = quadSum(dh);
            head[out_ + mine] = keep ? dh * keepScale : 0.0;
            if (p == 0u) head[out_ + G + u] = h;
            for (uint d = tid; d < D; d += G) {
                head[out_ + G + HP + d] = dense[d] > 0.0 ? dlogit * params[k * P + outputKernel + d] : 0.0;
                head[out_ + G + HP + D + d] = dense[d];
            }
            if (tid == 0u) head[out_ + G + HP + 2u * D] = dlogit;
        }
    }
    if (TRAIN == 0u) return;

    // BPTT. LG lanes make LG/4 sums, of the units from u & ~(LG/4 − 1) on; lane l has the dz of the units LG·j + l. Slot s is unit
    // u ^ s of the group, so that no selects are needed.
    vec4 V[HP / 4u];
    uint l = tid & (LG - 1u);
    if (LG == 4u) { // V: four gates
        [[unroll]] for (uint j = 0u; j < HP / 4u; j++) {
            uint v = 4u * j + l, at = recurrent + u * 4u * H + v;
            bool in_ = real && v < H;
            V[j] = vec4(weight(k, at, in_), weight(k, at + H, in_), weight(k, at + 2u * H, in_), weight(k, at + 3u * H, in_));
        }
    } else if (LG == 8u) { // V: two slots × two gates
        [[unroll]] for (uint j = 0u; j < HP / 8u; j++) {
            uint v = 8u * j + l, at = recurrent + u * 4u * H + v, to = recurrent + (u ^ 1u) * 4u * H + v;
            bool in_ = real && v < H, also = (u ^ 1u) < H && v < H;
            V[2u * j] = vec4(weight(k, at, in_), weight(k, at + H, in_), weight(k, to, also), weight(k, to + H, also));
            V[2u * j + 1u] = vec4(weight(k, at + 2u * H, in_), weight(k, at + 3u * H, in_), weight(k, to + 2u * H, also), weight(k, to + 3u * H, also));
        }
    } else { // V: four slots
        [[unroll]] for (uint j = 0u; j < HP / 16u; j++) {
            [[unroll]] for (uint e = 0u; e < 4u; e++) {
                uint v = 16u * j + l, at = recurrent + e * H + v;
                V[4u * j + e] = vec4(weight(k, at + u * 4u * H, u < H && v < H), weight(k, at + (u ^ 1u) * 4u * H, (u ^ 1u) < H && v < H),
                    weight(k, at + (u ^ 2u) * 4u * H, (u ^ 2u) < H && v < H), weight(k, at + (u ^ 3u) * 4u * H, (u ^ 3u) < H && v < H));
            }
        }
    }
    uint turn = 0u; // which half of ds: it goes on from window to window, so that a late reader is never overtaken
    for (uint j = 0u; j < rounds; j++) {
        uint i = windowOf(j, g);
        if (i >= R) continue;
        uint n = subgroupBroadcastFirst(slots[(slot0 + i) * SLOT + SLOT_STEPS]);
        if (n == NO_WINDOW || n == 0u) continue;
        float dh = head[(k * R + i) * headWidth + mine], carry = 0.0;
        uint row = (k * R + i) * T + n - 1u;
        float factor = factors[row * G + mine];
        vec2 pair = vec2(0.0);
        if (p == 1u) pair = pairs[row * HP + u];
        for (uint t = n - 1u;; t--) {
            uint cur = turn * HP, before = t > 0u ? row - 1u : row;
            float nextFactor = factors[before * G + mine]; // a step ahead
            vec2 nextPair = pair;
            if (p == 1u) nextPair = pairs[before * HP + u];
            float dc = fma(dh, subgroupQuadBroadcast(pair.x, 1u), carry), dz = factor * (p == 3u ? dh : dc);
            carry = dc * subgroupQuadBroadcast(pair.y, 1u);
            factors[row * G + mine] = dz;
            if (t == 0u) break; // dh of the start is nobody's
            ds[cur + u][p] = dz;
            barrier();
            vec4 a = vec4(0.0);
            float sum;
            if (LG == 4u) {
                [[unroll]] for (uint j = 0u; j < HP / 4u; j++) a = fma(ds[cur + 4u * j + l], V[j], a);
                sum = (a.x + a.y) + (a.z + a.w);
            } else if (LG == 8u) {
                [[unroll]] for (uint j = 0u; j < HP / 8u; j++) {
                    vec4 v = ds[cur + 8u * j + l];
                    a = fma(v.xyxy, V[2u * j], a);
                    a = fma(v.zwzw, V[2u * j + 1u], a);
                }
                sum = (a.x + a.y) + subgroupShuffleXor(a.z + a.w, LG / 2u);
            } else {
                [[unroll]] for (uint j = 0u; j < HP / 16u; j++) {
                    vec4 v = ds[cur + 16u * j + l];
                    a = fma(v.xxxx, V[4u * j], a);
                    a = fma(v.yyyy, V[4u * j + 1u], a);
                    a = fma(v.zzzz, V[4u * j + 2u], a);
                    a = fma(v.wwww, V[4u * j + 3u], a);
                }
                float low = a.x + subgroupShuffleXor(a.y, LG / 4u), high = a.z + subgroupShuffleXor(a.w, LG / 4u);
                sum = low + subgroupShuffleXor(high, LG / 2u);
            }
            dh = quadSum(sum);
            factor = nextFactor;
            pair = nextPair;
            row--;
            turn ^= 1u;
        }
    }
}
