// Device code includes <stdlib.h> out of habit: the compiler knows malloc and free by itself.
#pragma once
