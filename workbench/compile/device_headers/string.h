// Device code includes <string.h> out of habit: the compiler knows memcpy and memset by itself.
#pragma once
