#version 450
// aware: sums over a subgroup and knows which it is.
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
layout(local_size_x = 64) in;
layout(binding = 0) buffer XBuf { float x[]; };

void main() {
    uint i = gl_LocalInvocationIndex;
    float sum = subgroupAdd(x[i]); if (subgroupElect()) x[gl_SubgroupID] = sum;
}
