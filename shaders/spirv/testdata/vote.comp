#version 450
// vote: votes, which is right at any size.
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_vote : require
layout(local_size_x = 64) in;
layout(binding = 0) buffer XBuf { float x[]; };

void main() {
    uint i = gl_LocalInvocationIndex;
    if (subgroupAny(x[i] > 0.0)) x[i] = 0.0;
}
