;; Answers with a secret whose lease ends before it begins.
;;
;; request: read harm
;; status: 500
;; error: negative length of time

(func $hostile (result i32)
  (drop (call $answer (i32.const 2116) (i32.const 11)))
  (i32.store8 (i32.const 1056) (i32.const 1))
  (i64.store (i32.const 1064) (i64.const -1))
  (i32.const 1024))
