// Device code includes <stdio.h> out of habit: the compiler knows printf by itself.
#pragma once
