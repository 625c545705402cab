/* What is kept for each connection, by its id. */
#ifndef SOCKLET_OBJECTS_H
#define SOCKLET_OBJECTS_H

#include "socklet.h"

/* What is kept for a connection; NULL when nothing is. */
void *socklet_object(socklet_connection connection);
/* The same, and a new one where nothing was kept. One that is `opening` may never open: of those only so many are kept. */
void *socklet_object_for(socklet_connection connection, bool opening);
/* Frees what is kept for a connection, if anything is. */
void socklet_object_drop(socklet_connection connection);
/* How many there are, and a walk over them: `index` begins at 0; false after the last. */
size_t socklet_object_count(void);
bool socklet_object_next(size_t *index, socklet_connection *connection, void **self);

#endif
