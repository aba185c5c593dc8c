// beyond: writes one word at an index that the host gives, with no check: what GPU-assisted validation must see.
#version 450
layout(local_size_x = 1) in;
layout(push_constant) uniform Dims { uint at; };
layout(binding = 0) buffer YBuf { uint y[]; };
void main() { y[at] = 1; }
