package javax.annotation;

/** The mark that the generator puts on its classes; Java 11 and later have it no more. */
public @interface Generated {
  String[] value();

  String comments() default "";
}
