#include "parent/parent.h"

int main(int argc, char **argv)
{
	return amparod(argc, argv);
}
