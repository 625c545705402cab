/* What the bindings want linked: an object with the world's type, which `socklet build` writes into the component itself. */
void __component_type_object_force_link_this(void);
void __component_type_object_force_link_this(void) {}
