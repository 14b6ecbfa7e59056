/* Writes each line of its standard input over its own arguments, as servers do to say what they work on. */
#include <stdio.h>
#include <string.h>

int main(int count, char **arguments)
{
	char *last = arguments[count - 1];
	size_t room = last + strlen(last) - arguments[0];
	char line[4096];

	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		memset(arguments[0], 0, room);
		snprintf(arguments[0], room, "%s", line);
	}
	return 0;
}
