;; Has 20,000 functions, each of which calls the next.
;;
;; request: read harm
;; status: 500
;; error: it

@{20000 (func $f@ (result i32) (i32.add (i32.const @) (call_indirect (result i32) (i32.const @))))}
(table 20000 funcref)
(func $hostile (result i32)
  (call $f0))
