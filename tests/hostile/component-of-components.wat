;; Is composed of two components. The code between them has two memories, at which the compiler panics.
;;
;; request: load
;; status: 400
;; error: the compiler failed with an error of its own

(component
(component $callee
    (core module $code
        (memory (export "memory") 1)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
        (func (export "f") (param i32 i32)))
    (core instance $code (instantiate $code))
    (func (export "f") (param "s" string)
        (canon lift (core func $code "f") (memory $code "memory") (realloc (func $code "realloc")))))
(component $caller
    (import "f" (func $f (param "s" string)))
    (core module $memory (memory (export "memory") 1))
    (core instance $memory (instantiate $memory))
    (core func $f (canon lower (func $f) (memory $memory "memory")))
    (core module $code
        (import "" "f" (func $f (param i32 i32)))
        (func (export "g") (call $f (i32.const 0) (i32.const 0))))
    (core instance $code (instantiate $code (with "" (instance (export "f" (func $f))))))
    (func (export "g") (canon lift (core func $code "g"))))
(instance $callee (instantiate $callee))
(instance $caller (instantiate $caller (with "f" (func $callee "f"))))
(export "g" (func $caller "g")))
